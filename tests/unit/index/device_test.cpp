#include "index/device.hpp"

#include "core/error.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/errors.hpp"

using namespace driftd;
using index::Device;

TEST_CASE("a device's name names the device") {
  const auto device =
      GENERATE(Device{}, Device{Device::Type::cuda, 0}, Device{Device::Type::cuda, 17}, Device{Device::Type::all});
  CHECK(index::device_of(index::name_of(device)) == device);
}

TEST_CASE("the names of devices are cpu, cuda:N and all") {
  CHECK(index::name_of({}) == "cpu");
  CHECK(index::name_of({Device::Type::cuda, 3}) == "cuda:3");
  CHECK(index::name_of({Device::Type::all}) == "all");
}

TEST_CASE("what names no device is refused with the forms that do") {
  const auto* const text =
      GENERATE("", "gpu", "cuda", "cuda:", "cuda:-1", "cuda:1x", "cuda: 1", "cuda:99999999999", "CPU", "all ");
  CAPTURE(text);
  CHECK(test::code_of([&] { return index::device_of(text); }) == Errc::invalid_argument);
  const auto message = test::message_of([&] { return index::device_of(text); });
  for (const auto* form : {"cpu", "cuda:N", "all"}) CHECK(message.find(form) != std::string::npos);
}
