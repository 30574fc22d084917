// Puller: brings other agents' messages to the consumers of this one: the remote source of every
// queue in mode Peers or Hosts.
//
// Answers that clients here give to what has come go back the same way.
//
// Owned by Agent, made after the registry and gone before it; loop thread. It pulls a queue while
// consumers here could take more than is here, from all agents that serve it, with credit that in
// all is never above that demand, and lets go after kIdleMax without demand. What arrives and finds
// no consumer is kept, within kKeptBytesMax a queue, for kKeptMax, and then goes back. Nothing of
// it survives a restart: the origins still have it all.
//
//   puller.apply(members); puller.apply(policy);      // the registry has it already
//   puller.on_turn_end();                             // after the registry's
//
// puller.cc: turns and messages; puller_credit.cc: who gets how much; puller_members.cc: who there
// is.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/members.h"
#include "common/metrics.h"
#include "sidecar/forward/credit_plan.h"
#include "sidecar/forward/pull_link.h"
#include "sidecar/forward/reply_names.h"
#include "sidecar/queue/registry.h"

namespace pannier::forward {

inline constexpr std::chrono::seconds kIdleMax{10};  // without demand
inline constexpr std::chrono::seconds kKeptMax{5};   // messages that nobody takes
inline constexpr std::uint64_t kKeptBytesMax = 1u << 20;
inline constexpr std::uint64_t kAverageAssumed = 4u << 10;    // before anything has come
inline constexpr std::chrono::seconds kNoRoomPause{1};        // after the spool refused a body
inline constexpr std::chrono::seconds kLeaveMax{30};          // a lease: of a pod that is gone
inline constexpr std::chrono::milliseconds kPullerTick{200};  // how precise the times above are

struct PullerOptions {
  std::string pod_uid;  // ours
  std::uint64_t message_bytes_max = 128u << 20;
  Backoff::UnitRandom random{};  // of the delays between dials
};

class Puller final : public queue::RemoteSource, public amqp::RemoteReplies, private PullLinkUser {
 public:
  Puller(queue::Registry& registry, LinkDialer& dialer, const Clock& clock, PullerOptions options);
  ~Puller() override;
  Puller(const Puller&) = delete;
  Puller& operator=(const Puller&) = delete;

  void apply(const Policy& policy);
  void apply(const Members& members);

  // The graceful end, for good: no more pulls and credit, and what no consumer has goes back. What
  // consumers hold is still settled, as long as turns go on.
  void stop();
  // Every settle until now is known durable at its origin, or that cannot be reached; the caller's
  // limit decides how long to wait for it.
  bool is_settled() const;

  void note_demand(queue::Queue& queue) override;
  bool asks_for_get(queue::Queue& queue) override;

  bool knows(std::string_view name) const override { return asked_.find(name) != nullptr; }
  void send(queue::MessagePtr message, std::shared_ptr<const void> body, Done done) override;

  void on_turn_end();
  void on_time(Clock::time_point now);
  std::optional<Clock::time_point> deadline() const;

  void show(const Metrics::ShowLink& show) const;

  // What the books say of a queue: granted and not used, and kept here.
  struct Books {
    std::uint64_t outstanding = 0;
    std::uint64_t kept = 0;
    std::uint64_t kept_bytes = 0;
  };
  Books books(const queue::Queue& queue) const;
  std::size_t links() const { return links_.size(); }
  std::size_t bodies() const { return bodies_->size(); }

 private:
  struct Kept {
    queue::RemoteMessage message;
    Clock::time_point since;
  };
  struct Origin {  // one agent that serves a queue
    std::string pod_uid;
    OriginQueuePtr queue;   // null: not pulled
    bool is_asked = false;  // for the gets that wait
    Clock::time_point no_room_until{};
  };
  struct Pulled {
    queue::QueuePtr queue;
    std::string uid;
    bool from_hosts = false;  // mode Hosts: from nobody else
    std::vector<Origin> origins;
    std::deque<Kept> kept;
    std::uint64_t kept_bytes = 0;
    std::uint64_t average = kAverageAssumed;
    std::size_t turn = 0;
    bool is_asking = false;  // gets wait
    std::optional<Clock::time_point> idle_since;
  };

  // puller.cc
  void on_pulled(const OriginQueuePtr& from, queue::RemoteMessage message) override;
  void on_origin_changed(const OriginQueuePtr& origin) override;
  void on_no_room(const OriginQueuePtr& origin) override;
  void on_asked(const LinkTarget& from, std::string_view reply_to) override;
  Pulled* find(const OriginQueue& origin);
  void look_at(Pulled& pulled);
  void offer_kept(Pulled& pulled);
  bool may_keep(const Pulled& pulled, const OriginQueue& from) const;
  void keep(Pulled& pulled, queue::RemoteMessage message);
  void give_back_old(Pulled& pulled, Clock::time_point now);
  void give_back(Pulled& pulled);
  void drop_idle_links();
  bool is_busy(const Pulled& pulled) const;

  // puller_credit.cc
  std::uint64_t budget(const Pulled& pulled) const;
  void grant(Pulled& pulled);
  void answer_gets(Pulled& pulled);
  bool may_have_credit(const Origin& origin) const;

  // puller_members.cc
  void follow(Pulled& pulled);
  void begin(Pulled& pulled);
  void let_go(Pulled& pulled, Origin& origin);
  void forget(const queue::Queue* queue);
  static LinkTarget target_of(const MemberAgent& agent);
  PullLink& link_to(const LinkTarget& target);
  bool may_pull_from(const std::string& pod_uid) const;

  queue::Registry& registry_;
  LinkDialer& dialer_;
  const Clock& clock_;
  const PullerOptions options_;
  std::shared_ptr<KeptBodies> bodies_;
  std::unordered_map<std::string, MemberAgent> agents_;                  // by pod
  std::unordered_map<std::string, std::vector<std::string>> served_by_;  // queues that we may pull
  std::map<std::string, std::unique_ptr<PullLink>> links_;               // by pod
  std::unordered_map<const queue::Queue*, std::unique_ptr<Pulled>> queues_;
  std::unordered_map<std::string, Pulled*> by_name_;
  std::set<Pulled*> dirty_;
  ReplyNames asked_;                                  // who waits for which answer
  std::map<std::string, Clock::time_point> leaving_;  // links to who is not there any more: until
  std::optional<Clock::time_point> next_tick_;
  bool is_stopped_ = false;
};

}  // namespace pannier::forward
