// PullLink: the pulling side of the one connection between this agent and one origin, over which
// all queues of that pair go (docs/decisions/0009-links.md).
//
// Owned by Puller; loop thread. It dials while it has a queue to pull or something to settle, and
// again after a cut, with a delay that grows to kRedialMax. What an origin does against the
// contract ends the connection. Large bodies go to the spool part by part; while that is behind,
// nothing more is read. The user is told out of callbacks of the session and must not destroy the
// link in them.
//
// pull_link.cc: the connection; pull_link_methods.cc: what is said; pull_link_content.cc: messages.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "common/backoff.h"
#include "sidecar/forward/link_dialer.h"
#include "sidecar/forward/link_methods.h"
#include "sidecar/forward/origin_queue.h"
#include "sidecar/forward/pull_session.h"
#include "sidecar/forward/reply_lane.h"

namespace pannier::forward {

inline constexpr std::chrono::seconds kRedialMax{30};
inline constexpr std::chrono::seconds kPullAgain{5};        // after the origin has ended a queue
inline constexpr std::size_t kPulledPartBytes = 96u << 10;  // of a large body, in the spool
inline constexpr std::size_t kReceiptBytes = 16;
inline constexpr std::uint64_t kDialsInVainMax = 3;  // then nobody waits for its settles

using OriginQueuePtr = std::shared_ptr<OriginQueue>;

class PullLinkUser {
 public:
  virtual ~PullLinkUser() = default;
  // It is the user's now, and held until it is settled.
  virtual void on_pulled(const OriginQueuePtr& from, queue::RemoteMessage message) = 0;
  // Its credit, its state or what of it stands may have changed.
  virtual void on_origin_changed(const OriginQueuePtr& origin) = 0;
  // The spool has no room for a body.
  virtual void on_no_room(const OriginQueuePtr& origin) = 0;
  // A message has come that is to be answered to that name there.
  virtual void on_asked(const LinkTarget& from, std::string_view reply_to) = 0;
};

struct PullLinkParts {
  LinkDialer& dialer;
  const Clock& clock;
  PullLinkUser& user;
  queue::QueueContext& context;
  std::shared_ptr<KeptBodies> bodies;
  std::uint64_t message_bytes_max = 128u << 20;
  Backoff::UnitRandom random{};
};

class PullLink final : private amqp::ClientHandler {
 public:
  PullLink(LinkTarget target, PullLinkParts parts);
  ~PullLink() override;
  PullLink(const PullLink&) = delete;
  PullLink& operator=(const PullLink&) = delete;

  const LinkTarget& target() const { return target_; }
  void set_target(LinkTarget target) { target_ = std::move(target); }

  // Begins to pull a queue, or goes on.
  OriginQueuePtr pull(const std::string& queue, const std::string& uid);
  void stop(OriginQueue& origin);
  OriginQueuePtr find(const std::string& queue) const;
  // Back to whoever asked: the link may have to be dialled first.
  void send_reply(ReplyLane::Answer answer) { replies_.send(std::move(answer)); }
  // Tells the origin its limit.
  void send_credit(const OriginQueue& origin, bool asks);

  void on_turn_end();
  void on_time(Clock::time_point now);
  std::optional<Clock::time_point> deadline() const;

  bool is_open() const { return state_ == State::open; }
  bool is_failing() const { return state_ == State::apart && backoff_.failures() > 0; }
  bool is_idle() const;  // nothing to pull, nothing held, nothing to settle
  // Nothing of what was settled, or is on its way after a stop, is unknown at the origin; or that
  // is out of reach.
  bool is_settled() const;
  std::size_t queues() const { return queues_.size(); }
  std::uint64_t lag() const;
  std::uint64_t oldest_age() const;
  std::uint64_t moved() const;

 private:
  enum class State : std::uint8_t { apart, dialling, open };
  // A message whose body comes in parts.
  struct Arriving {
    OriginQueuePtr origin;
    Bytes properties;
    std::uint64_t body_size = 0;
    std::optional<spool::BodyId> body;
    std::uint32_t parts = 0;
    Bytes part;  // not in the spool yet
    bool is_folded = false;
    bool is_refused = false;
    bool is_whole = false;
  };
  struct Sent {  // one settle method
    OriginQueuePtr origin;
    queue::RemoteOrigin::Settle how{};
    std::vector<queue::Receipt> receipts;
    bool is_stop = false;  // settles nothing: its answer says that a stop has been seen
    queue::RemoteOrigin::Failure failure = {};
  };

  // pull_link.cc
  OriginQueuePtr make_origin(const std::string& queue, const std::string& uid);
  OriginQueuePtr current(const std::string& queue) const;
  void go_on_waiting();
  void forget_queues();
  void dial();
  std::unique_ptr<net::Session> make_session();
  void lose(const Error& why);
  void fault(const Error& why);
  bool has_work() const;
  void on_open() override;
  void on_end(const amqp::Ending& ending) override;
  void on_answer(amqp::ChannelId channel, const amqp::Answer& answer) override;
  void on_room() override { go_on_with_replies(); }
  void go_on_with_replies();
  void on_confirmed(amqp::ChannelId channel, amqp::DeliveryTag first, amqp::DeliveryTag last,
                    bool acked) override;
  void on_channel_closed(amqp::ChannelId channel, const amqp::Ending& ending) override;

  // pull_link_methods.cc
  void send(const auto& method);
  void send_pull(OriginQueue& origin);
  void flush_settles(const OriginQueuePtr& origin);
  void send_settle(const Sent& sent);
  Result<void> on_link_method(amqp::ChannelId channel, amqp::MethodId method,
                              ByteView payload) override;
  Result<void> on_pull_ok(const LinkPullOk& ok);
  Result<void> on_ready(const LinkReady& ready);
  Result<void> on_settled(const LinkSettled& settled);
  Result<void> on_link_end(const LinkEnd& end);
  Result<OriginQueuePtr> known(const std::string& queue) const;
  std::size_t receipts_per_frame() const;

  // pull_link_content.cc
  void on_message(amqp::ChannelId channel, const amqp::Incoming& head, Slice body) override;
  void on_body_begin(amqp::ChannelId channel, const amqp::Incoming& head) override;
  void on_body_part(amqp::ChannelId channel, ByteView part) override;
  void on_body_end(amqp::ChannelId channel) override;
  Result<OriginQueuePtr> receive(ByteView payload);
  void take(const OriginQueuePtr& origin, queue::Message message, std::uint32_t parts);
  bool flush_parts();
  Result<void> put_part(ByteView part);
  void refuse(const Error& why);
  void go_on_with_body();
  void finish_body();
  void drop_arriving();

  LinkTarget target_;
  PullLinkParts parts_;
  Backoff backoff_;
  State state_ = State::apart;
  Clock::time_point dial_at_{};
  Clock::time_point open_since_{};
  std::map<std::string, OriginQueuePtr> queues_;
  std::map<std::string, OriginQueuePtr> successors_;  // of the name, with another uid
  std::set<std::string> waiting_;                     // to be pulled once a stop is answered
  std::uint64_t moved_before_ = 0;                    // by queues that are forgotten
  std::map<std::string, Clock::time_point> pull_again_;
  std::set<OriginQueue*> to_flush_;
  std::deque<Sent> sent_;  // not known durable
  std::uint64_t durable_ = 0;
  bool knows_failures_ = false;  // the origin does: LinkFail
  std::optional<Arriving> arriving_;
  bool is_paused_ = false;  // the spool is behind
  LinkDeliver method_;      // keeps its memory
  ReplyLane replies_;
  bool takes_replies_ = false;  // the other side, by its version

  HandlerRef handler_;
  amqp::ClientSession* session_ = nullptr;  // the connection's
  std::unique_ptr<net::Dialled> connection_;
  std::vector<std::unique_ptr<net::Dialled>> left_;  // closed at the end of the turn
};

}  // namespace pannier::forward
