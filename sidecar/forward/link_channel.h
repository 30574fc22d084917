// LinkChannel: the origin's side of a link: another agent pulls queues of ours and settles what it
// was given (link_methods.h).
//
// Owned by its ServerSession; LinkLeases and the context outlive it. Loop thread. What is limited:
// pulls (AmqpLimits::consumers_per_channel), unacknowledged messages and bytes
// (unacked_per_channel, unacked_bytes_per_channel), of one queue no more than the puller can name
// in one method, unsent output (unsent_bytes and one part of a body), settles that wait for a sync
// (answers_waiting). Access is asked at every pull and credit, and when the policy changes. When
// the link is cut or access ends, what it has unacknowledged is leased to its pod; with our own
// shutdown it goes back, uncounted.
//
// link_channel.cc pulls, delivers and ends; link_settle.cc settles; link_ready.cc announces.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "sidecar/amqp/codec.h"
#include "sidecar/amqp/content_streams.h"
#include "sidecar/forward/link_leases.h"
#include "sidecar/forward/link_methods.h"
#include "sidecar/forward/push_door.h"

namespace pannier::forward {

inline constexpr std::chrono::milliseconds kReadyInterval{100};

class LinkChannel final : public amqp::ServerChannel,
                          private LinkLeases::Link,
                          private amqp::ContentStreams::Owner {
 public:
  LinkChannel(amqp::ChannelId id, amqp::SessionContext& context, amqp::SessionLink& session,
              LinkLeases& leases);
  ~LinkChannel() override;

  Result<void> on_method(amqp::MethodId method, ByteView payload) override;
  Result<void> on_header(ByteView payload) override;
  Result<void> on_body(ByteView payload) override;
  void on_synced(queue::Commit synced) override;
  bool awaits_sync() const override { return settles_ != flushed_ || !unsynced_.empty(); }
  void on_room() override;
  std::optional<Clock::time_point> deadline() const override;
  void on_time(Clock::time_point now) override;
  void wind_down(bool counts_deliveries) override;
  void close(bool counts_deliveries) override;
  bool is_streaming() const override { return !streams_.empty(); }
  std::size_t held_bytes() const override { return streams_.held_bytes(); }

 private:
  class PullConsumer;
  struct Pull {
    std::string name;
    std::string uid;
    queue::QueuePtr queue;
    std::unique_ptr<PullConsumer> consumer;  // null: no more is delivered, but the rest is settled
    std::uint64_t limit = 0;
    std::uint64_t delivered = 0;
    bool asks = false;
    std::uint64_t announced = 0;
    Clock::time_point announced_at{};
    std::optional<Clock::time_point> announce_at;
    std::unordered_map<std::uint64_t, LinkHeld> unacked;  // by delivery
  };
  using Pulls = std::map<std::string, Pull>;
  struct Unsynced {
    queue::Commit commit = 0;
    std::uint64_t settles = 0;
  };

  // link_channel.cc
  Result<void> pull(const LinkPull& method);
  Result<void> credit(const LinkCredit& method);
  void stop(const std::string& queue);
  Result<queue::QueuePtr> pullable(const std::string& queue, const std::string& uid);
  std::vector<queue::Receipt> take_over(Pull& pull, const std::vector<queue::Receipt>& held);
  void end(Pull& pull, const std::string& why);
  void take_off(Pull& pull);
  void drop_if_done(const std::string& queue);
  void drop_unacked(Pull& pull);
  void lease_unacked(Pull& pull);
  bool is_at_limit(const Pull& pull) const;
  bool may_deliver(const Pull& pull) const;
  void deliver(Pull& pull, queue::Queue& queue, const queue::Delivery& delivery);
  void queue_gone(Pull& pull);
  void pump();
  void give_way() override;
  void check_access() override;
  bool pulls(const std::string& queue) const override;
  std::size_t held() const override { return unacked_count_; }
  void on_contents_sent() override;
  void on_content_failed(const Error& why) override;

  // link_settle.cc
  Result<void> settle(const LinkSettle& method);
  Result<void> fail(const LinkFail& method);
  Result<void> settle_all(const std::string& queue, const amqp::LongString& packed,
                          queue::RemoteOrigin::Settle how,
                          const queue::RemoteOrigin::Failure& failure);
  void remember(Pull& pull, const LinkHeld& held);
  bool forget(Pull& pull, const queue::Receipt& receipt);
  void finish(const queue::QueuePtr& queue, const queue::Receipt& receipt,
              queue::RemoteOrigin::Settle how, const queue::RemoteOrigin::Failure& failure = {});
  void flush_settles();

  // link_ready.cc
  void note_ready(Pull& pull);
  void announce(Pull& pull);
  void announce_at(Pull& pull, std::optional<Clock::time_point> when);
  bool is_exhausted(const Pull& pull) const;
  std::uint64_t age_of(queue::Milliseconds published) const;

  template <typename Method>
  void put(const Method& method) {
    amqp::put_method(streams_.output(), id_, method);
  }
  const std::string& pod() const { return session_.principal().name; }

  const amqp::ChannelId id_;
  amqp::SessionContext& context_;
  amqp::SessionLink& session_;
  LinkLeases& leases_;
  const std::size_t unacked_per_pull_;
  Pulls pulls_;
  std::set<std::pair<Clock::time_point, std::string>> announcements_;  // that are due, and of whom
  std::string last_delivered_;  // the queue: the others come first
  std::size_t unacked_count_ = 0;
  std::uint64_t unacked_bytes_ = 0;
  std::uint64_t settles_ = 0;  // methods, in all
  std::uint64_t flushed_ = 0;  // of them, on their way to the disk
  std::deque<Unsynced> unsynced_;
  bool holds_announcements_ = false;  // until output has left
  bool ended_ = false;
  amqp::ContentStreams streams_;
};

// From now on agents that connect have links. Leases and door outlive the context's sessions.
void serve_links(amqp::SessionContext& context, LinkLeases& leases, PushDoor& door);

}  // namespace pannier::forward
