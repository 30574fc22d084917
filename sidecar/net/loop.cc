#include "sidecar/net/loop.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

#include "sidecar/net/loop_impl.h"

namespace pannier::net {

Loop::Loop() : impl_(std::make_unique<Impl>()) {}

Loop::~Loop() = default;

void Loop::post(Task task) { asio::post(impl_->io, std::move(task)); }

void Loop::set_end_of_turn(std::function<void()> work) { impl_->end_of_turn = std::move(work); }

void Loop::wake_at(std::chrono::steady_clock::time_point when) { impl_->wake_at(when); }

void Loop::Impl::wake_at(std::chrono::steady_clock::time_point when) {
  if (when == wakes_at) return;
  wakes_at = when;
  if (when == std::chrono::steady_clock::time_point::max()) {
    wake_timer.cancel();
    return;
  }
  wake_timer.expires_at(std::max(when, asleep_until));
  wake_timer.async_wait([this](boost::system::error_code error) {
    if (error) return;
    wakes_at = std::chrono::steady_clock::time_point::max();
    asleep_until = std::chrono::steady_clock::now() + kWakeInterval;
  });
}

Loop::Impl::~Impl() {
  while (!open.empty()) {
    const auto abandoned = std::exchange(open, {});
    for (const auto& connection : abandoned) connection->abandon();
  }
  drop_ended();
}

// What goes may end others.
void Loop::Impl::drop_ended() {
  while (!ended.empty()) std::exchange(ended, {}).clear();
}

// What is asked for meanwhile is done in the same turn, so that nothing waits for another event.
void Loop::Impl::end_turn() {
  turns.fetch_add(1, std::memory_order_relaxed);
  for (int round = 0; round < 2; ++round) {
    if (end_of_turn) end_of_turn();
    if (waiting.empty()) break;
    for (const std::weak_ptr<AtTurnEnd>& weak : std::exchange(waiting, {}))
      if (const auto who = weak.lock()) who->at_turn_end();
  }
  drop_ended();
  if (!waiting.empty()) asio::post(io, [] {});
}

void Loop::run() {
  while (impl_->io.run_one() > 0) {
    for (int i = 0; i < Impl::kHandlersPerTurn && impl_->io.poll_one() > 0; ++i) {}
    impl_->end_turn();
  }
}

void Loop::stop() { impl_->io.stop(); }

bool Loop::run_ready() {
  bool any = false;
  impl_->end_turn();
  while (impl_->io.poll_one() > 0) {
    any = true;
    impl_->end_turn();
  }
  return any;
}

std::uint64_t Loop::turns() const { return impl_->turns.load(std::memory_order_relaxed); }

}  // namespace pannier::net
