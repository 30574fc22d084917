#include "common/files.h"
#include "common/log.h"
#include "sidecar/agent_impl.h"

namespace pannier {
namespace {

// After SIGTERM, however long ago the drain began.
constexpr std::chrono::seconds kLastWords{5};
// Before the time is up, what is in doubt, and what others have pulled and not settled, goes to
// somebody else, flagged.
constexpr std::chrono::seconds kInDoubtReserve{2};

}  // namespace

// The first phase: others take over, while the app goes on as ever.
void Agent::Impl::drain() {
  if (std::exchange(is_draining_, true)) return;
  log::info("the agent drains");
  hand_over_until_ = system_clock().now() + options_.config.drain_budget;
  push_door_.close();
  if (puller_) puller_->stop();
  if (pusher_) pusher_->drain();
  loop_.post([] {});
}

// The second: what the app was promised is kept, and nothing more is promised.
void Agent::Impl::terminate() {
  if (std::exchange(is_ending_, true)) {
    close_down();
    return;
  }
  log::info("the agent ends");
  drain();
  hand_over_until_ = std::max(hand_over_until_, system_clock().now() + kLastWords);
  for (const char* const of_apps : {"amqp", "amqps", "http", "https"})
    if (const auto found = listeners_.find(of_apps); found != listeners_.end())
      found->second->stop();
  registry_->end_turn();
  apps_until_ = spool_->last_commit();
  loop_.post([] {});
}

// At the end of each turn. Apps go once what they had published is confirmed, the links once all is
// handed over and settled.
void Agent::Impl::go_on_ending() {
  if (last_commit_) return stop_when_synced();
  const auto now = system_clock().now();
  const bool is_nearly_over = now >= hand_over_until_ - kInDoubtReserve;
  if (pusher_ && is_nearly_over) pusher_->give_up_in_doubt();
  if (!is_ending_) return;
  if (apps_until_) {
    if (spool_->synced_commit() < *apps_until_) return;
    apps_until_.reset();
    amqp_->close_apps("the agent is shutting down");
    close_http();
    loop_.post([] {});  // what they gave back is looked at first
    return;
  }
  if (is_nearly_over && !leases_.is_closed()) {
    leases_.close();
    loop_.post([] {});  // what they gave back is looked at first
  } else if (is_handed_over() || now >= hand_over_until_) {
    close_down();
  }
}

// What other agents have pulled is ours until they settle it: without us it would be lost with
// them.
bool Agent::Impl::is_handed_over() const {
  return leases_.held() == 0 && (!pusher_ || pusher_->is_done()) &&
         (!puller_ || puller_->is_settled());
}

std::optional<Clock::time_point> Agent::Impl::ending_deadline() const {
  const auto now = system_clock().now();
  if (const auto in_doubt = hand_over_until_ - kInDoubtReserve; now < in_doubt) return in_doubt;
  if (now < hand_over_until_) return hand_over_until_;
  return {};  // whatever is left waits for the disk, which wakes the loop
}

void Agent::Impl::close_down() {
  if (last_commit_) return;
  if (!is_handed_over())
    log::warn("not everything was handed over in time: what is left stays in the spool");
  for (const auto& [name, listener] : listeners_) listener->stop();
  amqp_->close_all("the agent is shutting down");
  registry_->end_turn();
  const auto commit = spool_->close();
  last_commit_ = commit ? *commit : spool_->last_commit();
  loop_.post([] {});
}

void Agent::Impl::stop_when_synced() {
  if (spool_->synced_commit() < *last_commit_) return;
  final_status_ = http::to_json(status());
  loop_.stop();
}

// What is still here when a clean end is over, for whoever is about to take the spool away.
void Agent::Impl::keep_final_status() const {
  if (final_status_.empty() || options_.is_dev) return;
  const std::string file = options_.config.folders.agent + "/" + kFinalStatusFile;
  if (auto written = write_file(file, final_status_, 0600); !written)
    log::warn("the final status cannot be kept", {{"error", written.error().detail}});
}

}  // namespace pannier
