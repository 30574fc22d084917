#include "sidecar/queue/registry.h"

#include <algorithm>

#include "common/log.h"

namespace pannier::queue {

Registry::Registry(spool::Spool& spool, const Clock& clock, Executor& loop,
                   const QueueLimits& queue_limits, const RegistryLimits& limits)
    : context_(spool, clock, loop, queue_limits),
      limits_(limits),
      marks_(spool, clock, limits.push_marks),
      dedup_(spool, clock) {
  context_.dead_letters = this;
  add_predefined();
}

Registry::~Registry() = default;

void Registry::add_predefined() {
  const auto add = [this](const char* name, ExchangeType type) {
    ExchangeSettings settings;
    settings.name = name;
    settings.type = type;
    settings.durable = true;
    exchanges_.emplace(name, Exchange(std::move(settings)));
  };
  add("amq.direct", ExchangeType::direct);
  add("amq.fanout", ExchangeType::fanout);
  add("amq.topic", ExchangeType::topic);
  add("amq.headers", ExchangeType::headers);
  add("amq.match", ExchangeType::headers);
}

Result<Commit> Registry::append(spool::Group& group) {
  if (group.empty()) return context_.spool.synced_commit();
  return context_.spool.append(group);
}

Result<void> Registry::recover() {
  marks_.recover();
  dedup_.recover();
  if (auto done = recover_queues(); !done) return done;
  recover_topology();
  return {};
}

// Queues that ended with the last run are dropped; what cannot be read is kept aside, not dropped.
Result<void> Registry::recover_queues() {
  std::vector<QueueId> ended;
  context_.spool.for_each_queue([&](QueueId id, ByteView value) {
    auto definition = decode_queue(value);
    if (!definition) {
      log::error("a queue's definition is damaged: its messages are kept, but not served",
                 {{"queue_id", id}, {"error", definition.error().detail}});
      return;
    }
    if (!definition->durable || definition->exclusive) {
      ended.push_back(id);
      return;
    }
    auto settings = settings_from(*definition);
    if (!settings) {  // written by another release: its messages count more than its arguments
      log::error("a queue's arguments are not understood: it is served without them",
                 {{"queue", definition->name}, {"error", settings.error().detail}});
      settings = QueueSettings{};
      settings->name = definition->name;
    }
    auto queue = std::make_shared<Queue>(context_, id, std::move(*settings));
    queue->recover();
    // A governed queue waits for its policy: nobody is served before it is known.
    const bool parked = !definition->uid.empty();
    const std::string name = definition->name;
    if (parked) by_uid_.emplace(definition->uid, name);
    if (!queues_.emplace(name, Held{std::move(queue), std::move(*definition), 0, parked, {}})
             .second)
      log::error("two queues of one name: the messages of one are kept, but not served",
                 {{"queue", name}, {"queue_id", id}});
  });
  drop_ended(ended);
  return {};
}

// In groups of some, that fit. What the spool cannot note now is tried again.
void Registry::drop_ended(const std::vector<QueueId>& ended) {
  left_over_.insert(left_over_.end(), ended.begin(), ended.end());
  drop_left_over();
}

void Registry::drop_left_over() {
  constexpr std::size_t kQueuesPerGroup = 64;
  while (!left_over_.empty()) {
    const std::size_t count = std::min(kQueuesPerGroup, left_over_.size());
    spool::Group group;
    const std::span dropped = std::span(left_over_).last(count);
    for (const QueueId id : dropped) {
      context_.spool.drop_queue(group, id);
      marks_.put_drop(group, id);
    }
    if (!append(group)) return;
    for (const QueueId id : dropped) marks_.drop(id), dedup_.drop(id);
    left_over_.resize(left_over_.size() - count);
  }
}

void Registry::recover_topology() {
  context_.spool.for_each_state(kExchangeState, [this](ByteView, ByteView value) {
    if (auto settings = decode_exchange(value)) {
      const std::string name = settings->name;
      exchanges_.emplace(name, Exchange(std::move(*settings)));
    } else {
      log::error("an exchange in the journal cannot be read", {{"error", settings.error().detail}});
    }
  });
  context_.spool.for_each_state(kBindingState, [this](ByteView key, ByteView value) {
    auto decoded = decode_binding(key, value);
    if (!decoded) {
      log::error("a binding in the journal cannot be read", {{"error", decoded.error().detail}});
      return;
    }
    const auto exchange = exchanges_.find(decoded->first);
    if (exchange != exchanges_.end() && exchange->second.bind(std::move(decoded->second)))
      ++bindings_;
  });
}

void Registry::for_each(
    const std::function<void(const Queue&, const QueueDefinition&)>& visit) const {
  for (const auto& [name, held] : queues_) visit(*held.queue, held.definition);
}

const QueueDefinition* Registry::definition_of(std::string_view name) const {
  const auto found = queues_.find(name);
  return found == queues_.end() ? nullptr : &found->second.definition;
}

void Registry::end_turn() {
  for (const std::weak_ptr<Queue>& weak : std::exchange(context_.returned, {}))
    if (const QueuePtr queue = weak.lock()) queue->on_turn_end();
  for (const std::weak_ptr<Queue>& weak : std::exchange(context_.dying, {}))
    if (const QueuePtr queue = weak.lock()) queue->bury();
  if (!context_.returned.empty() || !context_.dying.empty())
    context_.loop.post([] {});  // more meanwhile: another turn
  context_.journal_changes();
  context_.spool.flush();
}

void Registry::on_room() {
  drop_left_over();
  for (const std::weak_ptr<Queue>& weak : std::exchange(context_.stalled, {}))
    if (const QueuePtr queue = weak.lock()) queue->on_room();
}

void Registry::on_time(Clock::time_point now) {
  std::vector<QueuePtr> due;  // each once, whatever it asks for next
  for (const auto& [when, queue] : context_.deadlines) {
    if (when > now) break;
    due.push_back(queue->shared_from_this());
  }
  for (const QueuePtr& queue : due) queue->on_time(now);
  for (const QueuePtr& queue : due) drop_unused(*queue, now);
  marks_.on_time(now);
  dedup_.on_time(now);
  context_.spool.on_time(now);
}

// Without dead letters, as in RabbitMQ. A MessageQueue goes by its resource only: of one, the
// messages go, but not while it is paused, as nobody could have used it.
void Registry::drop_unused(const Queue& queue, Clock::time_point now) {
  if (!queue.is_unused(now)) return;
  const auto found = queues_.find(queue.name());
  if (found == queues_.end() || found->second.queue.get() != &queue) return;
  if (!found->second.definition.uid.empty()) {
    found->second.queue->note_use();
    if (queue.settings().paused) return;
    Commit commit = 0;
    const auto purged = found->second.queue->purge(commit);  // else at its next time
    if (purged && *purged > 0)
      log::warn("the messages of a queue that nobody has used are removed",
                {{"queue", queue.name()}, {"messages", *purged}});
    return;
  }
  log::info("a queue that nobody has used is deleted", {{"queue", queue.name()}});
  drop_for_sure(queue.name());
}

std::optional<Clock::time_point> Registry::deadline() const {
  std::optional<Clock::time_point> next = context_.spool.deadline();
  const auto consider = [&next](Clock::time_point due) {
    next = std::min(next.value_or(due), due);
  };
  if (!context_.deadlines.empty()) consider(context_.deadlines.begin()->first);
  if (const auto of_marks = marks_.deadline()) consider(*of_marks);
  if (const auto of_ids = dedup_.deadline()) consider(*of_ids);
  return next;
}

}  // namespace pannier::queue
