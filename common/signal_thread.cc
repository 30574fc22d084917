#include "common/signal_thread.h"

#include <pthread.h>

#include <utility>

namespace pannier {
namespace {

constexpr int kWake = SIGUSR2;  // what stop() sends to the thread

}  // namespace

SignalThread::SignalThread() {
  sigemptyset(&taken_);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, kWake}) sigaddset(&taken_, signal);
  pthread_sigmask(SIG_BLOCK, &taken_, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

void SignalThread::follow(std::function<void(int signal)> on_signal) {
  thread_ = std::thread([this, on_signal = std::move(on_signal)] {
    int signal = 0;
    // One that somebody else sends must not leave us deaf for the others.
    while (sigwait(&taken_, &signal) == 0 && !is_ending_)
      if (signal != kWake) on_signal(signal);
  });
}

void SignalThread::stop() {
  if (!thread_.joinable()) return;
  is_ending_ = true;
  pthread_kill(thread_.native_handle(), kWake);
  thread_.join();
}

}  // namespace pannier
