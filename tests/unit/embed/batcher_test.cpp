#include "embed/batcher.hpp"

#include <atomic>
#include <barrier>
#include <future>
#include <latch>
#include <mutex>
#include <thread>

#include "core/error.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/errors.hpp"

using namespace driftd;
using namespace driftd::embed;
using namespace std::chrono_literals;

namespace {

// Images of one pixel: a number below 65536 in two of its bytes, which the model finds in its input again.
Image image_of(int number) {
  return {1, 1, {static_cast<std::uint8_t>(number % 256), static_cast<std::uint8_t>(number / 256), 0}};
}

float number_in(const Image& image) {
  return static_cast<float>(image.rgb[0] + 256 * image.rgb[1]);
}

constexpr int kPoison = 65'000;

// Doubles each number. A gate, when given, holds back the first batch; kPoison makes the batch fail.
class FakeEmbedder : public Embedder {
 public:
  explicit FakeEmbedder(std::shared_future<void> gate = {}, std::promise<void>* started = nullptr)
      : gate_{std::move(gate)}, started_{started} {}

  Matrix embed(std::span<const Image> images) override {
    if (started_ != nullptr) std::exchange(started_, nullptr)->set_value();
    if (gate_.valid()) gate_.wait();
    Matrix result{images.size(), 1};
    for (std::size_t i = 0; i < images.size(); ++i) {
      if (number_in(images[i]) == kPoison) throw Error{Errc::internal, "the model failed"};
      result.data[i] = 2 * number_in(images[i]);
    }
    return result;
  }
  Matrix embed_alone(std::span<const Image> images) override { return embed(images); }
  [[nodiscard]] std::size_t threads() const override { return 1; }
  [[nodiscard]] std::size_t preferred_batch() const override { return 4; }

 private:
  std::shared_future<void> gate_;
  std::promise<void>* started_;
};

struct Answer {
  std::vector<float> embedding;
  std::exception_ptr error;
  Batcher::Timing timing;
};

const auto kLater = Batcher::Clock::time_point::max();

std::future<Answer> submit(Batcher& batcher, int number, Batcher::Clock::time_point deadline = kLater) {
  auto promise = std::make_shared<std::promise<Answer>>();
  auto answer = promise->get_future();
  batcher.submit(image_of(number), deadline,
                 [promise](std::vector<float> embedding, std::exception_ptr error, Batcher::Timing timing) {
                   promise->set_value({std::move(embedding), std::move(error), timing});
                 });
  return answer;
}

std::optional<Errc> code_of(const Answer& answer) {
  return test::code_of([&] {
    if (answer.error) std::rethrow_exception(answer.error);
    return 0;
  });
}

// A batcher whose model is busy with one image until open() is called.
struct Busy {
  std::promise<void> gate;
  std::promise<void> started;
  Batcher batcher;
  std::future<Answer> first;

  explicit Busy(std::size_t max_queue)
      : batcher{std::make_unique<FakeEmbedder>(gate.get_future().share(), &started), max_queue} {
    first = submit(batcher, 1);
    started.get_future().wait();
  }
  ~Busy() { open(); }
  void open() {
    if (!std::exchange(opened_, true)) gate.set_value();
  }

 private:
  bool opened_ = false;
};

}  // namespace

TEST_CASE("a single image does not wait for company") {
  Batcher batcher{std::make_unique<FakeEmbedder>(), 8};
  const Answer answer = submit(batcher, 21).get();
  CHECK(answer.embedding == std::vector<float>{42});
  CHECK(answer.timing.batch == 1);
}

TEST_CASE("images that arrive while the model runs share the next batches, eight in each") {
  Busy busy{16};
  std::vector<std::future<Answer>> answers;
  for (int i = 0; i < 10; ++i) answers.push_back(submit(busy.batcher, i));
  CHECK(busy.batcher.queued() == 10);
  busy.open();
  for (int i = 0; i < 10; ++i) {
    const Answer answer = answers[static_cast<std::size_t>(i)].get();
    CHECK(answer.embedding == std::vector<float>{2.0F * static_cast<float>(i)});
    CHECK(answer.timing.batch == (i < 8 ? 8U : 2U));
  }
  CHECK(busy.first.get().timing.batch == 1);
}

TEST_CASE("a full queue refuses at once") {
  Busy busy{2};
  auto one = submit(busy.batcher, 1);
  auto two = submit(busy.batcher, 2);
  CHECK(test::code_of([&] { return submit(busy.batcher, 3); }) == Errc::overloaded);
  busy.open();
  CHECK(one.get().embedding == std::vector<float>{2});
  CHECK(two.get().embedding == std::vector<float>{4});
}

TEST_CASE("a job whose deadline passed in the queue is not run") {
  Busy busy{8};
  auto late = submit(busy.batcher, 1, Batcher::Clock::now());
  auto good = submit(busy.batcher, 2);
  busy.open();
  const Answer answer = late.get();
  CHECK(code_of(answer) == Errc::deadline);
  CHECK(answer.embedding.empty());
  CHECK(good.get().timing.batch == 1);
}

TEST_CASE("a failure of the model reaches every job of the batch, and the batcher lives on") {
  Busy busy{8};
  auto good = submit(busy.batcher, 1);
  auto bad = submit(busy.batcher, kPoison);
  busy.open();
  CHECK(code_of(good.get()) == Errc::internal);
  CHECK(code_of(bad.get()) == Errc::internal);
  CHECK(submit(busy.batcher, 3).get().embedding == std::vector<float>{6});
}

TEST_CASE("the destructor finishes what is queued") {
  std::vector<std::future<Answer>> answers;
  {
    Busy busy{64};
    for (int i = 0; i < 20; ++i) answers.push_back(submit(busy.batcher, i));
    busy.open();
  }
  for (std::size_t i = 0; i < answers.size(); ++i)
    CHECK(answers[i].get().embedding == std::vector<float>{2.0F * static_cast<float>(i)});
}

namespace {

// Three threads. Tells which images were computed by all of them, and holds back those computed alone until all three
// are at it.
class ThreeThreads final : public Embedder {
 public:
  Matrix embed(std::span<const Image> images) override {
    Matrix result{images.size(), 1};
    for (std::size_t i = 0; i < images.size(); ++i) result.data[i] = number_in(images[i]);
    return result;
  }
  Matrix embed_alone(std::span<const Image> images) override {
    meet_.arrive_and_wait();
    return {images.size(), 1, std::vector<float>(images.size(), -1)};
  }
  [[nodiscard]] std::size_t threads() const override { return 3; }
  [[nodiscard]] std::size_t preferred_batch() const override { return 1; }

 private:
  std::barrier<> meet_{3};
};

}  // namespace

TEST_CASE("a lone image gets all threads") {
  Batcher batcher{std::make_unique<ThreeThreads>(), 8};
  for (int i = 0; i < 20; ++i) CHECK(submit(batcher, i).get().embedding == std::vector<float>{static_cast<float>(i)});
}

TEST_CASE("a lone image gets all threads though who computed the one before is still telling") {
  // The first sender asks again from within its callback, and holds the thread until it has the answer, which the other
  // threads must not take for themselves: they would compute it alone.
  Batcher batcher{std::make_unique<ThreeThreads>(), 8};
  std::promise<void> told;
  std::future<Answer> second;
  batcher.submit(image_of(1), kLater, [&](auto, auto, auto) {
    second = submit(batcher, 2);
    std::this_thread::sleep_for(50ms);
    told.set_value();
  });
  told.get_future().wait();
  CHECK(second.get().embedding == std::vector<float>{2});
}

TEST_CASE("a lone image does not wait for ever for a thread that is away with what it delivers") {
  struct Alone final : Embedder {
    Matrix embed(std::span<const Image> images) override { return {images.size(), 1, {0}}; }
    Matrix embed_alone(std::span<const Image> images) override { return {images.size(), 1, {1}}; }
    [[nodiscard]] std::size_t threads() const override { return 2; }
    [[nodiscard]] std::size_t preferred_batch() const override { return 1; }
  };
  std::promise<void> gate;
  std::atomic<int> deliveries{0};
  Batcher batcher{std::make_unique<Alone>(), 8, [&](std::function<void()> callbacks, bool) {
                    const bool first = deliveries++ == 0;
                    callbacks();
                    if (first) gate.get_future().wait();
                  }};
  CHECK(submit(batcher, 1).get().embedding == std::vector<float>{0});
  auto second = submit(batcher, 2);
  CHECK(second.wait_for(20s) == std::future_status::ready);
  gate.set_value();
  CHECK(second.get().embedding == std::vector<float>{1});
}

TEST_CASE("of several images each thread computes its own, at the same time") {
  // The first image may find the batcher idle and get all threads; the gate sees to it that the others do not.
  struct Gated final : Embedder {
    std::shared_future<void> gate;
    std::promise<void> started;
    ThreeThreads rest;
    explicit Gated(std::shared_future<void> g) : gate{std::move(g)} {}
    Matrix embed(std::span<const Image> images) override {
      started.set_value();
      gate.wait();
      return rest.embed(images);
    }
    Matrix embed_alone(std::span<const Image> images) override { return rest.embed_alone(images); }
    [[nodiscard]] std::size_t threads() const override { return 4; }
    [[nodiscard]] std::size_t preferred_batch() const override { return 1; }
  };
  std::promise<void> gate;
  auto embedder = std::make_unique<Gated>(gate.get_future().share());
  auto started = embedder->started.get_future();
  Batcher batcher{std::move(embedder), 8};
  auto first = submit(batcher, 1);
  started.wait();
  std::vector<std::future<Answer>> answers;
  for (int i = 0; i < 3; ++i) answers.push_back(submit(batcher, 2));
  for (auto& answer : answers) CHECK(answer.get().embedding == std::vector<float>{-1});  // three met
  gate.set_value();
  CHECK(first.get().embedding == std::vector<float>{1});
}

TEST_CASE("an image waits for those of requests that keep every core busy, and no longer than they do") {
  // One thread, one core. The first batch takes so long that a quarter of its time is more than this test needs.
  std::promise<void> gate;
  std::promise<void> started;
  Batcher batcher{std::make_unique<FakeEmbedder>(gate.get_future().share(), &started), 8};
  auto first = submit(batcher, 1);
  started.get_future().wait();
  std::this_thread::sleep_for(1s);
  gate.set_value();
  first.wait();

  for (int i = 0; i < 3; ++i) batcher.begin_request();
  auto one = submit(batcher, 2);  // of the first request
  auto two = submit(batcher, 3);  // of the second
  batcher.end_request();          // of the third, which brought none
  CHECK(one.get().timing.batch == 2);
  CHECK(two.get().embedding == std::vector<float>{6});
  for (int i = 0; i < 2; ++i) batcher.end_request();
}

TEST_CASE("an image gets its turn though other requests never end") {
  Batcher batcher{std::make_unique<FakeEmbedder>(), 8};
  for (int i = 0; i < 100; ++i) batcher.begin_request();
  for (int i = 0; i < 5; ++i) CHECK(submit(batcher, i).get().timing.batch == 1);
  for (int i = 0; i < 100; ++i) batcher.end_request();
}

TEST_CASE("answers of images that were computed together are delivered together, on the thread that delivery chooses") {
  std::promise<void> gate;
  std::promise<void> started;
  std::vector<std::function<void()>> delivered;
  std::vector<bool> was_idle;
  std::vector<std::future<Answer>> answers;
  {
    Batcher batcher{std::make_unique<FakeEmbedder>(gate.get_future().share(), &started), 8,
                    [&](std::function<void()> callbacks, bool idle) {
                      delivered.push_back(std::move(callbacks));
                      was_idle.push_back(idle);
                    }};
    answers.push_back(submit(batcher, 1));
    started.get_future().wait();
    for (int i = 2; i < 6; ++i) answers.push_back(submit(batcher, i));
    gate.set_value();
  }
  REQUIRE(delivered.size() == 2);
  CHECK(was_idle == std::vector{false, true});
  for (const auto& answer : answers) CHECK(answer.wait_for(0s) == std::future_status::timeout);
  delivered[1]();
  CHECK(answers[0].wait_for(0s) == std::future_status::timeout);
  for (std::size_t i = 1; i < answers.size(); ++i) CHECK(answers[i].get().timing.batch == 4);
  delivered[0]();
  CHECK(answers[0].get().embedding == std::vector<float>{2});
}

TEST_CASE("many threads get their own answers") {
  Batcher batcher{std::make_unique<FakeEmbedder>(), 4096};
  std::vector<std::future<bool>> threads;
  for (int t = 0; t < 8; ++t) {
    threads.push_back(std::async(std::launch::async, [&batcher, t] {
      bool right = true;
      for (int i = 0; i < 200; ++i) {
        const int number = 1000 * t + i;
        right =
            right && submit(batcher, number).get().embedding == std::vector<float>{2.0F * static_cast<float>(number)};
      }
      return right;
    }));
  }
  for (auto& thread : threads) CHECK(thread.get());
}

TEST_CASE(
    "images of a run are answered together, whichever threads computed its pieces, and each gets its own answer") {
  struct FourThreads final : Embedder {
    Matrix embed(std::span<const Image> images) override { return embed_alone(images); }
    Matrix embed_alone(std::span<const Image> images) override {
      widest = std::max(widest.load(), images.size());
      std::this_thread::sleep_for(std::chrono::microseconds{200 * images.size()});
      return FakeEmbedder{}.embed(images);
    }
    [[nodiscard]] std::size_t threads() const override { return 4; }
    [[nodiscard]] std::size_t preferred_batch() const override { return 2; }
    std::atomic<std::size_t> widest{0};
  };
  thread_local std::size_t told = 0;  // by the delivery that runs here
  thread_local std::size_t run = 0;
  std::atomic<std::size_t> apart{0};
  std::atomic<std::size_t> shared{0};
  auto embedder = std::make_unique<FourThreads>();
  const auto& widest = embedder->widest;
  Batcher batcher{std::move(embedder), 4096, [&](const std::function<void()>& callbacks, bool) {
                    told = 0;
                    callbacks();
                    apart += told == run ? 0 : 1;
                    shared += run > 1 ? 1 : 0;
                  }};
  std::vector<std::future<std::size_t>> clients;
  for (int c = 0; c < 12; ++c) {
    clients.push_back(std::async(std::launch::async, [&, c] {
      std::size_t right = 0;
      for (int i = 0; i < 100; ++i) {
        const int number = 1000 * c + i;
        const auto answer = std::make_shared<std::promise<std::vector<float>>>();
        batcher.begin_request();
        batcher.submit(image_of(number), kLater, [answer](std::vector<float> embedding, auto, Batcher::Timing timing) {
          ++told;
          run = timing.batch;
          answer->set_value(std::move(embedding));
        });
        right += answer->get_future().get() == std::vector<float>{2.0F * static_cast<float>(number)} ? 1 : 0;
        batcher.end_request();
      }
      return right;
    }));
  }
  for (auto& client : clients) CHECK(client.get() == 100);
  CHECK(apart == 0);
  CHECK(shared > 0);
  CHECK(widest <= 2);
}

TEST_CASE("a failure of the model reaches only the images of its piece") {
  struct OneByOne final : FakeEmbedder {
    using FakeEmbedder::FakeEmbedder;
    [[nodiscard]] std::size_t preferred_batch() const override { return 1; }
  };
  std::promise<void> gate;
  Batcher batcher{std::make_unique<OneByOne>(gate.get_future().share()), 8};
  auto first = submit(batcher, 1);  // while it is computed the others come
  std::vector<std::future<Answer>> answers;
  for (const int number : {2, kPoison, 3}) answers.push_back(submit(batcher, number));
  gate.set_value();
  first.wait();
  CHECK(answers[0].get().embedding == std::vector<float>{4});
  CHECK(code_of(answers[1].get()) == Errc::internal);
  CHECK(answers[2].get().embedding == std::vector<float>{6});
}
