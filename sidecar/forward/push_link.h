// PushLink: the one outgoing connection to one receiver, over which all queues go that are pushed
// there (docs/decisions/0011-pushes.md).
//
// Owned by Pusher; loop thread. It dials while it has something to send, and again after a cut,
// with a delay that grows to kRedialMax; what was unanswered is sent again before anything else.
// What a receiver does against the contract ends the connection. Beside what is in flight (see
// PushQueue) it holds unsent output up to ClientLimits::unsent_bytes and one part of a body: large
// ones are read from the spool part by part. The user is told out of callbacks of the session and
// of put(), and must neither destroy the link in them nor call a queue that is delivering.
//
// push_link.cc: the connection; push_link_methods.cc: what is said; push_link_content.cc: messages.
#pragma once

#include <optional>
#include <span>

#include "common/backoff.h"
#include "sidecar/forward/link_dialer.h"
#include "sidecar/forward/pull_session.h"
#include "sidecar/forward/push_link_queue.h"
#include "sidecar/queue/registry.h"

namespace pannier::forward {

inline constexpr std::chrono::seconds kPushAgain{5};  // after the receiver has ended a queue
inline constexpr std::chrono::seconds kPushRedialMax{30};
inline constexpr std::size_t kForgetsPerMethodMax = 8'192;

class PushLink;

class PushLinkUser {
 public:
  virtual ~PushLinkUser() = default;
  // It is the receiver's now.
  virtual void on_taken(const PushQueuePtr& push, const queue::Delivery& delivery) = 0;
  // It is ours still, and not the receiver's.
  virtual void on_refused(const PushQueuePtr& push, const queue::Delivery& delivery,
                          const std::string& why) = 0;
  // Its body cannot be read; nobody has it.
  virtual void on_unreadable(const PushQueuePtr& push, const queue::Delivery& delivery,
                             const Error& why) = 0;
  // The receiver takes no more of it for now. What is unanswered may be there or not.
  virtual void on_push_ended(const PushQueuePtr& push) = 0;
  // There may be room for more, of any queue.
  virtual void on_push_room(PushLink& link) = 0;
  // It could not be dialled, or was cut and cut again.
  virtual void on_unreachable(PushLink& link) = 0;
  // No message of the queue below it will ever come.
  virtual queue::Sequence floor_of(const PushQueue& push) = 0;
};

struct PushLinkParts {
  LinkDialer& dialer;
  const Clock& clock;
  queue::Registry& registry;
  PushLinkUser& user;
  Backoff::UnitRandom random{};
};

class PushLink final : private amqp::ClientHandler {
 public:
  PushLink(LinkTarget target, PushLinkParts parts);
  ~PushLink() override;
  PushLink(const PushLink&) = delete;
  PushLink& operator=(const PushLink&) = delete;

  const LinkTarget& target() const { return target_; }
  void set_target(LinkTarget target) { target_ = std::move(target); }

  // More of the queue goes here, or goes on to do so.
  PushQueuePtr push(const queue::QueuePtr& queue, const std::string& uid, bool drains);
  // No more; what is unanswered stays until it is answered.
  void stop(PushQueue& push);
  PushQueuePtr find(const std::string& queue) const;
  const std::map<std::string, PushQueuePtr>& queues() const { return queues_; }

  bool may_put(const PushQueue& push) const;
  void put(PushQueue& push, queue::Delivery delivery);
  // The receiver may forget some of it.
  void note_forgettable(const PushQueue& push) { due_.insert(push.name); }
  // Ends the connection, if there is one.
  void abandon(std::string_view why);

  void on_turn_end();
  void on_time(Clock::time_point now);
  std::optional<Clock::time_point> deadline() const;

  bool is_open() const { return state_ == State::open; }
  bool is_idle() const;  // nothing to push, nothing unanswered, nothing to say
  std::uint64_t taken() const { return taken_; }

 private:
  enum class State : std::uint8_t { apart, dialling, open };
  struct Stream {  // a large body on its way: nothing else leaves meanwhile
    PushQueuePtr push;
    queue::Sequence sequence = 0;
    queue::MessagePtr message;
    std::uint32_t next = 0;
    std::uint64_t left = 0;
    bool is_reading = false;
  };

  // push_link.cc
  void dial();
  std::unique_ptr<net::Session> make_session();
  void lose(const Error& why);
  void fault(const Error& why);
  bool has_work() const;
  void on_open() override;
  void on_end(const amqp::Ending& ending) override;
  void on_answer(amqp::ChannelId channel, const amqp::Answer& answer) override;
  void on_channel_closed(amqp::ChannelId channel, const amqp::Ending& ending) override;
  void on_room() override;

  // push_link_methods.cc
  bool may_say() const;
  void say(const auto& method);
  void say_all();
  void say_what_is_due(PushQueue& push);
  Result<void> on_link_method(amqp::ChannelId channel, amqp::MethodId method,
                              ByteView payload) override;
  Result<void> on_push_ok(const LinkPushOk& ok);
  Result<void> on_taken(const LinkTaken& taken);
  Result<void> on_link_end(const LinkEnd& end);
  Result<PushQueuePtr> known(const std::string& queue) const;
  void answer(const PushQueuePtr& push, queue::Sequence sequence, LinkTaken::How how,
              const std::string& why);

  // push_link_content.cc
  bool may_send() const;
  void go_on();
  void send_waiting(const PushQueuePtr& push);
  void send_put(const PushQueuePtr& push, PushQueue::Put& put);
  void give_up_unfit();
  void read_next();
  void on_part(Result<Slice> part);
  void end_stream();

  LinkTarget target_;
  PushLinkParts parts_;
  Backoff backoff_;
  State state_ = State::apart;
  Clock::time_point dial_at_{};
  Clock::time_point open_since_{};
  std::map<std::string, PushQueuePtr> queues_;
  std::set<std::string> due_;  // queues with something to say
  std::vector<std::pair<PushQueuePtr, queue::Sequence>> unfit_;
  std::optional<Stream> stream_;
  std::uint64_t taken_ = 0;
  LinkPut method_;  // keeps its memory

  HandlerRef handler_;
  amqp::ClientSession* session_ = nullptr;  // the connection's
  std::unique_ptr<net::Dialled> connection_;
  std::vector<std::unique_ptr<net::Dialled>> left_;  // closed at the end of the turn
};

}  // namespace pannier::forward
