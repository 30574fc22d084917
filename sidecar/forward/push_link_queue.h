// PushQueue: one queue on its way to one receiver: what is there unanswered, how much may be, and
// what the receiver may forget.
//
// Shared by the link, which sends, and Pusher, which settles; loop thread. What is unanswered stays
// unacknowledged in the queue: its message is held, a large body lies in the spool. It never has
// more than kPushMessagesMax messages and, but for one message, kPushBytesMax bytes in flight. All
// of it is gone with a restart: then the queue has the messages again.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "sidecar/forward/link_methods.h"
#include "sidecar/queue/queue.h"

namespace pannier::forward {

// Ours, whatever the receiver's window.
inline constexpr std::uint64_t kPushMessagesMax = 1'024;
inline constexpr std::uint64_t kPushBytesMax = 4u << 20;

class PushQueue {
 public:
  enum class State : std::uint8_t {
    idle,     // to be asked for, once there is a connection
    asked,    // LinkPush is out
    active,   // messages may go
    stopped,  // LinkStop is out
    ended,    // by the receiver, until `again_at`
  };
  enum class Is : std::uint8_t {
    waiting,  // to be sent (again)
    sent,
    refused,  // and still on its way: its frames were promised
    unfit,    // it cannot be sent over this connection
  };
  struct Put {
    queue::Delivery delivery;
    Is is = Is::waiting;
    bool was_sent = false;  // ever: a receiver that has lost it may have delivered it before
  };
  using Puts = std::map<queue::Sequence, Put>;

  PushQueue(std::shared_ptr<queue::Queue> of, std::string with_uid)
      : queue(std::move(of)), name(queue->name()), uid(std::move(with_uid)) {}

  const std::shared_ptr<queue::Queue> queue;
  const std::string name;
  const std::string uid;  // of the MessageQueue
  State state = State::idle;
  bool is_wanted = false;    // more of it goes there
  bool drains = false;       // what the next LinkPush says
  bool told_drains = false;  // what the last one said
  std::uint64_t taken = 0;   // in all
  Clock::time_point again_at{};
  Clock::time_point moved_at{};        // the last answer, or the first message that waits for one
  std::set<queue::Sequence> settling;  // taken, and settled here, not yet durably
  std::vector<queue::Sequence> to_forget;  // durably

  const Puts& puts() const { return puts_; }
  bool has_waiting() const { return !waiting_.empty(); }
  bool is_stale() const { return drains != told_drains; }
  std::uint64_t in_flight() const { return in_flight_; }

  void set_window(std::uint64_t messages, std::uint64_t bytes) {
    messages_max_ = std::min(messages, kPushMessagesMax);
    bytes_max_ = std::min(bytes, kPushBytesMax);
  }
  // Room for one more, however large: what does not fit waits here.
  bool has_room() const {
    return in_flight_ == 0 || (in_flight_ < messages_max_ && bytes_in_flight_ < bytes_max_);
  }
  bool has_room_for(const Put& put) const {
    return in_flight_ == 0 || (in_flight_ < messages_max_ &&
                               bytes_in_flight_ + put.delivery.message->bytes() <= bytes_max_);
  }

  void add(queue::Delivery delivery) {
    const queue::Sequence sequence = delivery.sequence;
    puts_.insert_or_assign(sequence, Put{std::move(delivery), Is::waiting});
    waiting_.insert(sequence);
  }
  Put* first_waiting() { return waiting_.empty() ? nullptr : &puts_.at(*waiting_.begin()); }
  Put* find(queue::Sequence sequence) {
    const auto found = puts_.find(sequence);
    return found == puts_.end() ? nullptr : &found->second;
  }
  void note_sent(Put& put, Clock::time_point now) {
    if (in_flight_ == 0) moved_at = now;
    put.is = Is::sent;
    put.was_sent = true;
    waiting_.erase(put.delivery.sequence);
    ++in_flight_;
    bytes_in_flight_ += put.delivery.message->bytes();
  }
  void note_unfit(Put& put) {
    put.is = Is::unfit;
    waiting_.erase(put.delivery.sequence);
  }
  // Answered, or not its concern any more.
  queue::Delivery remove(queue::Sequence sequence);
  // The connection is gone: what was in flight is sent again.
  void start_anew();
  std::vector<queue::Delivery> take_all();

 private:
  Puts puts_;
  std::set<queue::Sequence> waiting_;
  std::uint64_t in_flight_ = 0;
  std::uint64_t bytes_in_flight_ = 0;
  std::uint64_t messages_max_ = 0;
  std::uint64_t bytes_max_ = 0;
};

using PushQueuePtr = std::shared_ptr<PushQueue>;

}  // namespace pannier::forward
