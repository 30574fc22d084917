// SignalThread: SIGTERM, SIGINT and SIGHUP, taken by a thread of their own, so that nothing happens
// in a handler.
//
// Made by main before any other thread, which then all leave those signals to it; SIGPIPE is
// ignored from then on. What comes before follow() waits. Ends with its owner.
#pragma once

#include <csignal>

#include <atomic>
#include <functional>
#include <thread>

namespace pannier {

class SignalThread {
 public:
  SignalThread();
  ~SignalThread() { stop(); }
  SignalThread(const SignalThread&) = delete;
  SignalThread& operator=(const SignalThread&) = delete;

  // Called on that thread with the signal's number. Once.
  void follow(std::function<void(int signal)> on_signal);
  // Nobody is told any more, once it returns.
  void stop();

 private:
  sigset_t taken_{};
  std::atomic<bool> is_ending_ = false;
  std::thread thread_;
};

}  // namespace pannier
