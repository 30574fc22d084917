#include "common/signal_thread.h"

#include <gtest/gtest.h>
#include <pthread.h>
#include <unistd.h>

#include <future>
#include <vector>

namespace pannier {
namespace {

// Leaves the test's thread as it was: the mask is its own, and SIGPIPE the process's.
class SignalThreadTest : public testing::Test {
 protected:
  SignalThreadTest() {
    pthread_sigmask(SIG_SETMASK, nullptr, &before_);
    on_pipe_ = std::signal(SIGPIPE, SIG_DFL);
  }
  ~SignalThreadTest() override {
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    std::signal(SIGPIPE, on_pipe_);
  }

 private:
  sigset_t before_{};
  void (*on_pipe_)(int) = nullptr;
};

TEST_F(SignalThreadTest, TellsOfSignalsInTheirOrderAndOfNoneAfterItsEnd) {
  std::vector<int> told;
  {
    SignalThread signals;
    std::promise<void> ended;
    signals.follow([&](int signal) {
      told.push_back(signal);
      if (signal == SIGTERM) ended.set_value();
      if (signal == SIGHUP) ::kill(::getpid(), SIGTERM);
    });
    ::kill(::getpid(), SIGHUP);
    ended.get_future().wait();
  }
  EXPECT_EQ(told, (std::vector{SIGHUP, SIGTERM}));
}

TEST_F(SignalThreadTest, IsNotDeafAfterASignalThatMeansNothing) {
  std::promise<int> told;
  SignalThread signals;
  ::kill(::getpid(), SIGUSR2);  // waits: it is taken first
  signals.follow([&](int signal) { told.set_value(signal); });
  ::kill(::getpid(), SIGTERM);
  EXPECT_EQ(told.get_future().get(), SIGTERM);
}

TEST_F(SignalThreadTest, EndsWithoutHavingFollowedAnybody) {
  SignalThread signals;
  signals.stop();
  signals.stop();
}

}  // namespace
}  // namespace pannier
