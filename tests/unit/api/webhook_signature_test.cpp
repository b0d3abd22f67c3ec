#include "api/webhook_signature.hpp"

#include "core/error.hpp"
#include "core/file.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/errors.hpp"
#include "tests/support/temp_dir.hpp"

using namespace driftd;
using namespace driftd::api;

TEST_CASE("the signature is the one of the Standard Webhooks specification") {
  test::TempDir dir;
  // The example of the specification's reference libraries.
  write_file_atomically(dir / "secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n");
  const auto secrets = read_webhook_secrets(dir / "secret");
  CHECK(webhook_signature(secrets, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, R"({"test": 2432232314})") ==
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

TEST_CASE("each of several secrets signs") {
  test::TempDir dir;
  write_file_atomically(dir / "secret", "0123456789abcdef\r\n\nfedcba9876543210");
  const auto secrets = read_webhook_secrets(dir / "secret");
  REQUIRE(secrets.size() == 2);
  const auto both = webhook_signature(secrets, "a", 1, "{}");
  CHECK(both == webhook_signature({secrets[0]}, "a", 1, "{}") + " " + webhook_signature({secrets[1]}, "a", 1, "{}"));
  CHECK(webhook_signature(secrets, "a", 2, "{}") != both);
}

TEST_CASE("a file that holds no usable secret is refused, and the message does not repeat it") {
  test::TempDir dir;
  const auto text = GENERATE(
      as<std::string>{}, "", "\n\n", "tooshort", "whsec_###",
      "whsec_c2hvcnQ=", "0123456789abcdef\n0123456789abcdef\n0123456789abcdef\n0123456789abcdef\n0123456789abcdef");
  write_file_atomically(dir / "secret", text);
  const auto message = test::message_of([&] { return read_webhook_secrets(dir / "secret"); });
  CAPTURE(text, message);
  CHECK_FALSE(message.empty());
  CHECK((text.size() < 8 || message.find(text) == std::string::npos));
  CHECK(test::code_of([&] { return read_webhook_secrets(dir / "none"); }) == Errc::not_found);
}
