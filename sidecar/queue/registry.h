// Registry: every queue and exchange of an agent by name, and the way of a message to its queues.
//
// Queues come from the policy (a MessageQueue governs them: clients' declares succeed and change
// nothing) or from clients. What is durable is journaled: a declare, bind or delete is durable once
// the commit that it returns is synced, and nothing has changed when it answers an error. What is
// not durable, and what is exclusive, ends with the agent. Names are one namespace's; access is the
// caller's to check (access.h).
//
// Owned by Agent; loop thread. Sessions hold queues by shared_ptr, find out by is_gone(), and let
// go of them before the registry goes.
//
// registry.cc recovers and turns; registry_route.cc and registry_publish.cc route; registry_tx.cc
// commits transactions; registry_pushed.cc takes what other
// agents push; registry_queues.cc and
// registry_topology.cc declare and delete; registry_policy.cc applies the policy.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/policy.h"
#include "sidecar/queue/deduplication.h"
#include "sidecar/queue/definition.h"
#include "sidecar/queue/name_map.h"
#include "sidecar/queue/push_marks.h"
#include "sidecar/queue/transaction.h"

namespace pannier::queue {

using QueuePtr = std::shared_ptr<Queue>;
using OwnerId = std::uint64_t;  // a connection, for exclusive queues; 0: nobody

struct RegistryLimits {
  std::size_t queues = 10'000;
  std::size_t exchanges = 2'000;
  std::size_t bindings = 50'000;  // in all
  std::size_t fan_out = 4'096;    // queues of one message
  PushMarkLimits push_marks;
};

struct Published {
  bool routed = false;     // to one queue at least
  bool taken = false;      // by one queue at least
  bool refused = false;    // a queue's limit said no: nack it (the others have it)
  std::string why;         // of the refusal
  bool duplicate = false;  // every queue that would take it has had it before
  Commit commit = 0;       // what its confirm waits for; 0: nothing
};

// A message that another agent gives away, by its sequence there.
struct Pushed {
  Sequence sequence = 0;
  MessagePtr message;
  std::uint16_t delivery_count = 0;
  bool redelivered = false;
};

// What has become of the first so many of a batch, at least one: the rest is to be offered again.
struct Taken {
  enum class How : std::uint8_t {
    taken,    // by this call
    known,    // by an earlier one: this copy is nobody's
    refused,  // by a limit, or as the spool is full: `why`
  };
  struct Outcome {
    How how = How::taken;
    Commit commit = 0;  // what its answer waits for; 0: nothing
    std::string why;
  };
  std::vector<Outcome> outcomes;
};

// What of a policy could not be applied; the rest was. Worth another try: each of it is as before.
struct Applied {
  struct Failure {
    std::string queue;  // its name; of a tombstone, too
    Error error;
  };
  std::vector<Failure> failures;
  explicit operator bool() const { return failures.empty(); }
};

class Registry : private DeadLetterSink {
 public:
  Registry(spool::Spool& spool, const Clock& clock, Executor& loop, const QueueLimits& queue_limits,
           const RegistryLimits& limits);
  ~Registry() override;

  // Queues, exchanges and bindings of the last run.
  Result<void> recover();
  // Queues of the policy come, change and go by tombstone; those it does not name are parked:
  // neither delivered nor published to. An older generation of a queue changes nothing. A queue is
  // applied with its exchanges and bindings or not at all; one that cannot be does not hold up the
  // others.
  Applied apply(const Policy& policy);

  // Declares by clients. Errors carry AMQP's meaning: precondition 406, locked 405, not_found 404,
  // access_denied 403 (also for queues that the namespace has and this agent does not serve),
  // limit_reached.
  struct Declared {
    QueuePtr queue;
    Commit commit = 0;
    bool is_new = false;
  };
  Result<Declared> declare_queue(QueueDefinition definition, OwnerId owner);
  Result<QueuePtr> find_queue(std::string_view name, OwnerId asking) const;
  struct Deleted {
    std::uint64_t messages = 0;
    Commit commit = 0;
  };
  Result<Deleted> delete_queue(std::string_view name, OwnerId asking, bool if_unused,
                               bool if_empty);
  // The owner has gone: its exclusive queues go.
  void drop_owner(OwnerId owner);
  // A consumer left: an auto-delete queue without any goes.
  void consumer_left(const QueuePtr& queue);

  Result<Commit> declare_exchange(const ExchangeSettings& settings, bool passive);
  Result<Commit> delete_exchange(std::string_view name, bool if_unused);
  const Exchange* find_exchange(std::string_view name) const;
  Result<Commit> bind(std::string_view exchange, Binding binding, OwnerId asking);
  Result<Commit> unbind(std::string_view exchange, const Binding& binding, OwnerId asking);
  std::size_t bindings() const { return bindings_; }

  // To every queue that the bindings name, each once, as one group. not_found: no such exchange;
  // access_denied: it is internal, or nothing but queues that this agent does not serve, or that
  // are being deleted, would have it; spool_full, spool_busy: not taken.
  Result<Published> publish(std::string_view exchange, std::string_view routing_key,
                            MessagePtr message);
  // The queues that it would go to, for access checks.
  Result<std::vector<QueuePtr>> route(std::string_view exchange, std::string_view routing_key,
                                      const Message& message);
  // The same by several keys (CC and BCC), at least one.
  Result<std::vector<QueuePtr>> route_any(std::string_view exchange,
                                          std::span<const std::string_view> keys,
                                          const Message& message);
  Result<Published> publish_to(const std::vector<QueuePtr>& queues, MessagePtr message);

  // All of them to one queue or none, as one group: too_large, queue_full, access_denied,
  // spool_full, spool_busy. Not for bodies in parts (registry_batch.cc).
  // What the queue has had before is left out.
  Result<Commit> publish_batch(const QueuePtr& queue, std::span<const MessagePtr> messages);

  // A tx.commit, as one group: spool_full, spool_busy, too_large; then nothing has happened.
  Result<Committed> commit(const Transaction& transaction);

  // What `source` pushes to a queue of ours: messages and mark are one group. Of a memory queue
  // there is no mark: it promises nothing that a mark could keep. The parts of what is not taken
  // are the caller's. spool_busy: nothing has happened; there are no other errors.
  Result<Taken> take(const QueuePtr& queue, const PushSource& source,
                     std::span<const Pushed> pushed);
  PushMarks& push_marks() { return marks_; }
  const Deduplication& deduplication() const { return dedup_; }

  // The end of a loop turn: delivers and journals what came back, hands everything to the
  // committer.
  void end_turn();
  // The spool has room again, or a horizon has moved.
  void on_room();
  void on_time(Clock::time_point now);
  std::optional<Clock::time_point> deadline() const;

  spool::Spool& spool() { return context_.spool; }
  QueueContext& context() { return context_; }
  void for_each(const std::function<void(const Queue&, const QueueDefinition&)>& visit) const;
  const QueueDefinition* definition_of(std::string_view name) const;

 private:
  struct Held {
    QueuePtr queue;
    QueueDefinition definition;
    OwnerId owner = 0;
    bool parked = false;
    std::optional<QueueSettings> applied;  // by a policy, in this run
  };
  using Queues = NameMap<Held>;
  using Exchanges = NameMap<Exchange>;

  // What goes together: found first, journaled, then done.
  struct Removal {
    std::vector<Destination> destinations;  // all bindings to them
    std::vector<std::string> exchanges;     // with their bindings
    std::vector<std::pair<spool::StateKind, Bytes>> erased;
  };
  // A queue of the policy on its way into the registry.
  struct Plan;

  void add_predefined();
  Result<Commit> append(spool::Group& group);
  Result<Taken> take_journaled(Queue& queue, const PushSource& source,
                               std::span<const Pushed> pushed);
  Result<Taken> take_unsynced(Queue& queue, const PushSource& source,
                              std::span<const Pushed> pushed);
  Result<void> put_unsynced(Queue& queue, const Pushed& pushed);
  Result<void> dead_letter(Queue& from, const spool::Entry& entry, const MessagePtr& message,
                           Death why, std::string_view nack_reason) override;
  Result<std::vector<QueuePtr>> route_dead(const DeadLetter& letter);
  Result<bool> has_had(const Queue& queue, const Message& message, const Deduplication::Growth& ids,
                       std::optional<Deduplication::Key>& key);
  struct Choice;
  Result<void> choose(Queue& queue, const MessagePtr& message, Choice& choice,
                      Published& published);
  Result<std::vector<MessagePtr>> leave_out_duplicates(const Queue& queue,
                                                       std::span<const MessagePtr> messages,
                                                       Deduplication::Growth& ids);
  Result<Commit> put_batch(Queue& queue, std::span<const MessagePtr> messages,
                           const Deduplication::Growth& ids);
  Result<Commit> journal(const Choice& choice, const MessagePtr& message);
  void put_in_memory(Queue& queue, const MessagePtr& message, std::uint16_t delivery_count = 0,
                     bool redelivered = false);
  void drop_unused(const Queue& queue, Clock::time_point now);
  Result<Commit> append(Removal& removal, spool::Group& last);
  void plan(Removal& removal) const;
  void carry_out(const Removal& removal);
  Result<Commit> drop(Queues::iterator at);
  void drop_for_sure(const std::string& name);
  void forget(Queues::iterator at, const Removal& removal);
  void drop_left_over();
  class Committing;
  QueuePtr served(std::string_view name, bool& unserved) const;
  Result<std::vector<QueuePtr>> named(std::span<const std::string_view> names) const;
  bool is_durable(std::string_view exchange, const Destination& destination) const;
  void park(Held& held);
  Result<void> apply_queue(const PolicyQueue& wanted);
  Result<void> plan_bindings(const PolicyQueue& wanted, Plan& plan) const;
  void carry_out(Plan& plan);
  Result<Commit> drop_governed(const std::string& uid);
  Result<void> recover_queues();
  void drop_ended(const std::vector<QueueId>& ended);
  void recover_topology();

  QueueContext context_;
  RegistryLimits limits_;
  PushMarks marks_;
  Deduplication dedup_;
  Queues queues_;
  Exchanges exchanges_;
  std::size_t bindings_ = 0;
  std::unordered_map<std::string, std::string> by_uid_;  // to the queue's name
  std::unordered_map<OwnerId, std::set<std::string>> owned_;
  std::set<std::string, std::less<>> other_queues_;  // of the namespace, not served here
  std::vector<QueueId> left_over_;  // gone but for the spool, which had no room to note it
  spool::Group group_;              // of publish: its memory is used again
};

}  // namespace pannier::queue
