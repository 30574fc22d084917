#include "sidecar/forward/origin_queue.h"

#include <algorithm>

namespace pannier::forward {

void OriginQueue::start_anew(std::uint64_t with_ready) {
  state = State::active;
  limit_ = ceiling_ = delivered_ = 0;
  told_ = {0};
  ready_ = with_ready;
  is_asked_ = is_stalled_ = false;
}

std::uint64_t OriginQueue::room() const {
  const std::uint64_t used = held_.size() + unsettled();
  return kHeldMax - std::min<std::uint64_t>(kHeldMax, used);
}

// Only with no question open, when limit and ceiling are one.
void OriginQueue::grant(std::uint64_t more) {
  limit_ = ceiling_ = std::max(limit_, delivered_) + more;
  std::erase_if(told_, [this](std::uint64_t told) { return told < delivered_; });
  told_.push_back(limit_);
}

void OriginQueue::take_back(std::uint64_t credit) {
  lower(ceiling_ - std::min(credit, ceiling_ - delivered_));
}

// To about that, but to no limit that was told before and may still be on its way back: its answer
// must be known from one to an older limit. What is below the deliveries will not be said again.
void OriginQueue::lower(std::uint64_t limit) {
  std::erase_if(told_, [this](std::uint64_t told) { return told < delivered_; });
  const auto was_told = [this](std::uint64_t value) {
    return std::ranges::find(told_, value) != told_.end();
  };
  limit_ = limit;
  while (limit_ > 0 && was_told(limit_)) --limit_;
  if (was_told(limit_)) limit_ = limit;
  while (limit_ < ceiling_ && was_told(limit_)) ++limit_;
  told_.push_back(limit_);
  is_asked_ = true;
}

bool OriginQueue::on_ready(std::uint64_t with_ready, std::uint64_t age, std::uint64_t seen_limit) {
  ready_ = with_ready;
  oldest_age_ = age;
  if (!is_asked_ || seen_limit != limit_) return false;
  is_asked_ = false;
  ceiling_ = std::max(limit_, delivered_);
  told_ = {limit_};
  // lower() may have left it more than it has used, and that is others' credit by now.
  is_stalled_ = is_stalled_ && limit_ > delivered_;
  if (is_stalled_) lower(delivered_);
  return true;
}

void OriginQueue::on_delivered() {
  ++delivered_;
  ready_ -= std::min<std::uint64_t>(ready_, 1);
  is_suspect_ = false;
}

void OriginQueue::stall() {
  is_stalled_ = is_suspect_ = true;
  lower(delivered_);
}

std::optional<std::uint64_t> OriginQueue::hold(const queue::Receipt& receipt, spool::BodyId body) {
  if (!tags_.emplace(receipt, last_tag_ + 1).second) return {};
  held_.emplace(++last_tag_, Held{receipt, body, true});
  return last_tag_;
}

bool OriginQueue::stands(std::uint64_t tag) const {
  const auto found = held_.find(tag);
  return found != held_.end() && found->second.stands;
}

void OriginQueue::finish(std::uint64_t tag, Settle how, const Failure& failure) {
  const auto found = held_.find(tag);
  if (found == held_.end()) return;
  const Held held = found->second;
  held_.erase(found);
  if (held.body != 0) bodies_->drop(held.body);
  if (!held.stands) return;
  tags_.erase(held.receipt);
  settle_stray(held.receipt, how, failure);
}

void OriginQueue::settle_stray(const queue::Receipt& receipt, Settle how, const Failure& failure) {
  if (!on_settle) return;  // nobody is there any more to be told
  to_send_.push_back({receipt, how, failure});
  if (not_durable_.emplace(receipt, last_settle_ + 1).second)
    not_durable_order_.insert(++last_settle_);
  on_settle();
}

void OriginQueue::when_durable(std::function<void(bool)> done) {
  if (!on_settle) return done(false);  // nobody is there any more to be told
  if (not_durable_order_.empty()) return done(true);
  waiting_.push_back({last_settle_, std::move(done)});
}

void OriginQueue::note_durable(const queue::Receipt& receipt) {
  const auto found = not_durable_.find(receipt);
  if (found == not_durable_.end()) return;
  not_durable_order_.erase(found->second);
  not_durable_.erase(found);
}

void OriginQueue::answer_waiting() {
  std::vector<Waiting> answered;
  while (!waiting_.empty() &&
         (not_durable_order_.empty() || *not_durable_order_.begin() > waiting_.front().up_to)) {
    answered.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
  }
  for (const Waiting& waiting : answered) waiting.done(true);
}

// What has become of their settles cannot be known any more.
void OriginQueue::fail_waiting() {
  for (const Waiting& waiting : std::exchange(waiting_, {})) waiting.done(false);
}

std::vector<queue::Receipt> OriginQueue::to_name(std::size_t max) const {
  std::vector<queue::Receipt> receipts;
  for (const Settled& settled : to_send_)
    if (receipts.size() < max) receipts.push_back(settled.receipt);
  for (const auto& [receipt, tag] : tags_)
    if (receipts.size() < max) receipts.push_back(receipt);
  return receipts;
}

void OriginQueue::keep_only(std::vector<queue::Receipt> kept) {
  std::ranges::sort(kept, ReceiptLess());
  const auto is_kept = [&kept](const queue::Receipt& receipt) {
    return std::ranges::binary_search(kept, receipt, ReceiptLess());
  };
  const std::size_t forgotten = std::erase_if(to_send_, [&](const Settled& settled) {
    if (is_kept(settled.receipt)) return false;
    note_durable(settled.receipt);
    return true;
  });
  if (forgotten > 0) fail_waiting();
  for (auto at = tags_.begin(); at != tags_.end();) {
    if (is_kept(at->first)) {
      ++at;
      continue;
    }
    held_.find(at->second)->second.stands = false;
    at = tags_.erase(at);
  }
}

std::vector<Settled> OriginQueue::take_settles() {
  in_flight_ += to_send_.size();
  return std::exchange(to_send_, {});
}

void OriginQueue::on_durable(const std::vector<queue::Receipt>& receipts, Settle how) {
  in_flight_ -= receipts.size();
  if (how == Settle::ack || how == Settle::discard) moved_ += receipts.size();
  for (const queue::Receipt& receipt : receipts) note_durable(receipt);
  answer_waiting();
}

// Whoever waits waits on: they are sent again, or keep_only() finds that nothing is known of them.
void OriginQueue::on_lost(const std::vector<queue::Receipt>& receipts, Settle how,
                          const Failure& failure) {
  in_flight_ -= receipts.size();
  for (const queue::Receipt& receipt : receipts) to_send_.push_back({receipt, how, failure});
}

}  // namespace pannier::forward
