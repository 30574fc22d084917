// OriginQueue: one queue at one origin, as the puller's books have it: what may still come, what
// came and is held, and what became of it.
//
// Shared by the messages that came from there, their RemoteOrigin: it outlives its link, and then
// only takes note. Loop thread. Holds at most kHeldMax receipts beside what is granted; what is
// held survives a cut of the connection, and what is settled is kept until the origin says that it
// is durable.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "common/clock.h"
#include "sidecar/forward/kept_bodies.h"
#include "sidecar/queue/consumer.h"
#include "sidecar/queue/remote.h"

namespace pannier::forward {

// Held, settled and not known durable, or granted: of one queue at one origin.
inline constexpr std::uint64_t kHeldMax = 4'096;
// Credit and ready messages, but nothing comes: the credit goes to others.
inline constexpr std::chrono::seconds kStallMax{2};

struct ReceiptLess {
  bool operator()(const queue::Receipt& a, const queue::Receipt& b) const {
    return a.sequence != b.sequence ? a.sequence < b.sequence : a.delivery < b.delivery;
  }
};

struct Settled {
  queue::Receipt receipt;
  queue::RemoteOrigin::Settle how{};
  queue::RemoteOrigin::Failure failure = {};
};

class OriginQueue final : public queue::RemoteOrigin {
 public:
  enum class State : std::uint8_t {
    idle,     // not asked for: the connection is down, or was
    pulling,  // asked for, not answered
    active,
    stopped,  // by us
    ended,    // by the origin
  };

  OriginQueue(std::string queue, std::string with_uid, std::shared_ptr<KeptBodies> bodies)
      : name(std::move(queue)), uid(std::move(with_uid)), bodies_(std::move(bodies)) {}

  const std::string name;
  const std::string uid;  // of the MessageQueue
  State state = State::idle;
  bool is_wanted = true;             // else it is asked for only because of what is held
  std::function<void()> on_settle;   // the link's
  std::size_t stops_unanswered = 0;  // of a pull before: messages of it may still come

  // Credit. limit is what the origin was told last; until it says that it has seen that, it may
  // still go up to the ceiling.
  void start_anew(std::uint64_t with_ready);
  std::uint64_t outstanding() const { return is_stalled_ ? 0 : ceiling_ - delivered_; }
  std::uint64_t room() const;
  std::uint64_t limit() const { return limit_; }
  bool is_asked() const { return is_asked_; }  // a question is open: credit stays as it is
  bool is_stalled() const { return is_stalled_; }
  bool is_suspect() const { return is_suspect_; }
  std::uint64_t ready() const { return ready_; }
  std::uint64_t oldest_age() const { return oldest_age_; }
  void grant(std::uint64_t more);
  void take_back(std::uint64_t credit);
  void ask() { is_asked_ = true; }
  // True: it answers the open question.
  bool on_ready(std::uint64_t with_ready, std::uint64_t age, std::uint64_t seen_limit);
  // A delivery: false when it is beyond all credit.
  bool may_come() const { return delivered_ < ceiling_; }
  void on_delivered();
  // Anything of a message has arrived, or credit has changed.
  void note_progress(Clock::time_point now) { quiet_since_ = now; }
  bool may_stall() const { return !is_stalled_ && ready_ > 0 && ceiling_ > delivered_; }
  Clock::time_point stalls_at() const { return quiet_since_ + kStallMax; }
  // Its credit counts no longer; what comes is still taken. It goes on until the origin has none
  // left, for which it may have to be told a second limit: on_ready() leaves it stalled then.
  void stall();

  // What is held. Nothing for a receipt that is held already.
  std::optional<std::uint64_t> hold(const queue::Receipt& receipt, spool::BodyId body);
  bool stands(std::uint64_t tag) const;
  void settle(std::uint64_t tag, Settle how) override { finish(tag, how, {}); }
  void fail(std::uint64_t tag, const Failure& failure) override {
    finish(tag, Settle::failed, failure);
  }
  void when_durable(std::function<void(bool)> done) override;
  // Of a message that was never held.
  void settle_stray(const queue::Receipt& receipt, Settle how, const Failure& failure = {});
  std::size_t held() const { return held_.size(); }
  std::size_t unsettled() const { return to_send_.size() + in_flight_; }
  std::uint64_t moved() const { return moved_; }

  // Receipts to name after a cut; then those that the origin keeps: the others are forgotten.
  std::vector<queue::Receipt> to_name(std::size_t max) const;
  void keep_only(std::vector<queue::Receipt> kept);
  // Settles that are due, and those that went out and are durable, or were lost with a connection.
  std::vector<Settled> take_settles();
  void on_durable(const std::vector<queue::Receipt>& receipts, Settle how);
  void on_lost(const std::vector<queue::Receipt>& receipts, Settle how,
               const Failure& failure = {});

 private:
  void finish(std::uint64_t tag, Settle how, const Failure& failure);
  void lower(std::uint64_t limit);
  void note_durable(const queue::Receipt& receipt);
  void answer_waiting();
  void fail_waiting();

  struct Held {
    queue::Receipt receipt;
    spool::BodyId body = 0;
    bool stands = true;
  };

  const std::shared_ptr<KeptBodies> bodies_;
  std::uint64_t limit_ = 0;
  std::uint64_t ceiling_ = 0;
  std::vector<std::uint64_t> told_;  // limits that the origin may still name as seen
  std::uint64_t delivered_ = 0;
  std::uint64_t ready_ = 0;
  std::uint64_t oldest_age_ = 0;
  bool is_asked_ = false;
  bool is_stalled_ = false;
  bool is_suspect_ = false;
  Clock::time_point quiet_since_{};

  std::map<std::uint64_t, Held> held_;
  std::map<queue::Receipt, std::uint64_t, ReceiptLess> tags_;  // of those that stand
  std::uint64_t last_tag_ = 0;
  std::vector<Settled> to_send_;
  std::size_t in_flight_ = 0;
  std::uint64_t moved_ = 0;

  // What is settled and not durable, by the order of settling, and who waits for it.
  struct Waiting {
    std::uint64_t up_to = 0;
    std::function<void(bool)> done;
  };
  std::map<queue::Receipt, std::uint64_t, ReceiptLess> not_durable_;
  std::set<std::uint64_t> not_durable_order_;
  std::uint64_t last_settle_ = 0;
  std::deque<Waiting> waiting_;
};

}  // namespace pannier::forward
