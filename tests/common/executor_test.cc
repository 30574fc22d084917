#include "common/executor.h"

#include <gtest/gtest.h>
#include <pthread.h>

#include <array>
#include <atomic>
#include <barrier>
#include <future>
#include <thread>
#include <vector>

namespace pannier {
namespace {

TEST(ThreadExecutor, RunsWhatOneThreadIsGivenInOrder) {
  std::vector<int> ran;
  {
    ThreadExecutor executor("test", 1);
    for (int i = 0; i < 1000; ++i) executor.post([&ran, i] { ran.push_back(i); });
  }
  ASSERT_EQ(ran.size(), 1000u) << "the destructor finishes what was posted";
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(ran[static_cast<std::size_t>(i)], i);
}

TEST(ThreadExecutor, RunsOnAThreadOfItsOwnWithItsName) {
  ThreadExecutor executor("a-name-longer-than-15", 1);
  std::promise<std::pair<std::thread::id, std::string>> promise;
  executor.post([&promise] {
    std::array<char, 16> name{};
    pthread_getname_np(pthread_self(), name.data(), name.size());
    promise.set_value({std::this_thread::get_id(), name.data()});
  });
  const auto [id, name] = promise.get_future().get();
  EXPECT_NE(id, std::this_thread::get_id());
  EXPECT_EQ(name, "a-name-longer-t");
}

TEST(ThreadExecutor, RunsAsManyTasksAtOnceAsItHasThreads) {
  std::atomic<int> met = 0;
  std::barrier meeting(2);
  {
    ThreadExecutor executor("test", 2);
    for (int i = 0; i < 2; ++i) {
      executor.post([&] {
        meeting.arrive_and_wait();  // would wait for ever, were there one thread
        ++met;
      });
    }
  }
  EXPECT_EQ(met, 2);
}

TEST(ThreadExecutor, TakesTasksFromItsOwnTasks) {
  std::promise<int> promise;
  ThreadExecutor executor("test", 1);
  executor.post([&] { executor.post([&] { promise.set_value(5); }); });
  EXPECT_EQ(promise.get_future().get(), 5);
}

TEST(ThreadExecutor, TakesTasksFromTheDestructorOfWhatATaskHeld) {
  std::promise<int> promise;
  ThreadExecutor executor("test", 1);
  std::shared_ptr<int> held(new int(5), [&](const int* last) {
    executor.post([&promise, value = *last] { promise.set_value(value); });
    delete last;
  });
  executor.post([held = std::move(held)] {});
  EXPECT_EQ(promise.get_future().get(), 5);
}

}  // namespace
}  // namespace pannier
