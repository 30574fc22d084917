#include <algorithm>
#include <set>

#include "common/log.h"
#include "sidecar/queue/registry.h"
#include "sidecar/queue/registry_errors.h"

namespace pannier::queue {

// Everything is looked at and journaled before anything changes.
struct Registry::Plan {
  QueueDefinition definition;
  QueueSettings settings;
  Held* held = nullptr;  // it is there already
  bool is_changed = true;
  QueueId id = 0;  // of a new one
  std::map<std::string, ExchangeSettings> exchanges;
  std::vector<std::pair<std::string, Binding>> bound;
  std::vector<std::pair<std::string, Binding>> unbound;
};

namespace {

Binding binding_for(const std::string& queue, const QueueBinding& wanted) {
  Binding binding{{Destination::Kind::queue, queue}, wanted.routing_key, {}, true, true};
  if (wanted.type == ExchangeType::headers) {
    binding.arguments.set("x-match", std::string(wanted.match == HeaderMatch::all ? "all" : "any"));
    for (const QueueHeader& header : wanted.headers)
      binding.arguments.set(header.name, header.value);
  }
  return binding;
}

}  // namespace

// The exchanges and bindings that are missing, and the bindings that the spec no longer has.
Result<void> Registry::plan_bindings(const PolicyQueue& wanted, Plan& plan) const {
  std::vector<std::pair<std::string, Binding>> all;
  for (const QueueBinding& each : wanted.bindings) {
    const Exchange* exchange = find_exchange(each.exchange);
    const auto planned = plan.exchanges.find(each.exchange);
    const bool is_known = exchange != nullptr || planned != plan.exchanges.end();
    const ExchangeType type = exchange != nullptr               ? exchange->settings().type
                              : planned != plan.exchanges.end() ? planned->second.type
                                                                : each.type;
    if (type != each.type)
      return Error{Errc::precondition,
                   "exchange " + quoted(each.exchange) + " is there already, with another type"};
    if (!is_known) {
      if (each.exchange.empty() || each.exchange.starts_with("amq."))
        return reserved("exchange", each.exchange);
      if (each.exchange.size() > kNameSizeMax) return too_long(each.exchange);
      ExchangeSettings settings;
      settings.name = each.exchange;
      settings.type = each.type;
      settings.durable = true;
      plan.exchanges.emplace(each.exchange, std::move(settings));
    }
    Binding binding = binding_for(wanted.name, each);
    binding.durable = exchange == nullptr || exchange->settings().durable;
    if (binding.routing_key.size() > kNameSizeMax) return too_long(binding.routing_key);
    if (encode(each.exchange, binding).size() > kDefinitionBytesMax)
      return too_large("a binding of exchange", each.exchange);
    const Binding* held = exchange == nullptr ? nullptr : exchange->find(binding);
    if (held == nullptr || !held->governed) plan.bound.emplace_back(each.exchange, binding);
    all.emplace_back(each.exchange, std::move(binding));
  }
  for (const auto& [name, exchange] : exchanges_)
    exchange.for_each_to(
        {Destination::Kind::queue, wanted.name}, [&, &name = name](const Binding& held) {
          const bool is_wanted = std::any_of(all.begin(), all.end(), [&](const auto& each) {
            return each.first == name && each.second.is_same(held);
          });
          if (held.governed && !is_wanted) plan.unbound.emplace_back(name, held);
        });
  if (exchanges_.size() + plan.exchanges.size() > limits_.exchanges ||
      bindings_ + plan.bound.size() > limits_.bindings + plan.unbound.size())
    return Error{Errc::limit_reached, "too many exchanges or bindings"};
  return {};
}

void Registry::carry_out(Plan& plan) {
  for (auto& [name, settings] : plan.exchanges)
    exchanges_.emplace(name, Exchange(std::move(settings)));
  for (auto& [exchange, binding] : plan.unbound)
    if (exchanges_.find(exchange)->second.unbind(binding)) --bindings_;
  for (auto& [exchange, binding] : plan.bound)
    if (exchanges_.find(exchange)->second.bind(std::move(binding))) ++bindings_;
  const std::string name = plan.definition.name;
  by_uid_[plan.definition.uid] = name;
  if (plan.held == nullptr) {
    auto queue = std::make_shared<Queue>(context_, plan.id, plan.settings);
    dedup_.configure(plan.id, plan.settings);
    queues_.emplace(name, Held{std::move(queue), std::move(plan.definition), 0, false,
                               std::move(plan.settings)});
    return;
  }
  Held& held = *plan.held;
  if (const auto owned = owned_.find(held.owner); owned != owned_.end()) owned->second.erase(name);
  held.definition = std::move(plan.definition);
  held.owner = 0;
  held.parked = false;
  held.applied = plan.settings;
  held.queue->change(plan.settings);
  dedup_.configure(held.queue->id(), plan.settings);
}

Result<void> Registry::apply_queue(const PolicyQueue& wanted) {
  if (wanted.name.size() > kNameSizeMax) return too_long(wanted.name);
  Plan plan;
  plan.definition.name = wanted.name;
  plan.definition.uid = wanted.uid;
  plan.definition.generation = wanted.generation;
  plan.settings = settings_from(wanted);
  if (const auto known = by_uid_.find(wanted.uid);
      known != by_uid_.end() && known->second != wanted.name)
    return Error{Errc::precondition, "a MessageQueue cannot change its queue's name, which is " +
                                         quoted(known->second)};
  if (const auto found = queues_.find(wanted.name); found != queues_.end()) {
    plan.held = &found->second;
    const QueueDefinition& now = plan.held->definition;
    if (now.uid == wanted.uid && wanted.generation < now.generation) {
      if (!plan.held->applied)
        return Error{Errc::precondition, "queue " + quoted(wanted.name) + " had generation " +
                                             std::to_string(now.generation) +
                                             " already: it waits for that one or a later one"};
      log::warn("an older generation of a queue is ignored",
                {{"queue", wanted.name}, {"generation", wanted.generation}});
      if (std::exchange(plan.held->parked, false)) plan.held->queue->change(*plan.held->applied);
      return {};
    }
    if (now.uid != wanted.uid && !now.uid.empty())
      return Error{Errc::precondition, "queue " + quoted(wanted.name) +
                                           " belongs to another MessageQueue until that is gone"};
    plan.definition.arguments = now.arguments;
    plan.is_changed = encode(plan.definition) != encode(now);
  } else if (queues_.size() >= limits_.queues) {
    return Error{Errc::limit_reached, "no more than " + std::to_string(limits_.queues) + " queues"};
  }
  if (auto planned = plan_bindings(wanted, plan); !planned) return planned;
  spool::Group group;
  if (plan.held == nullptr)
    plan.id = context_.spool.create_queue(group, encode(plan.definition));
  else if (plan.is_changed)
    context_.spool.update_queue(group, plan.held->queue->id(), encode(plan.definition));
  for (const auto& [name, settings] : plan.exchanges)
    group.put(kExchangeState, as_bytes(name), encode(settings));
  for (const auto& [exchange, binding] : plan.unbound)
    if (binding.durable) group.erase(kBindingState, encode(exchange, binding));
  for (const auto& [exchange, binding] : plan.bound)
    if (binding.durable) group.put(kBindingState, encode(exchange, binding), value_of(binding));
  if (auto commit = append(group); !commit) return commit.error();
  carry_out(plan);
  return {};
}

Result<Commit> Registry::drop_governed(const std::string& uid) {
  const auto known = by_uid_.find(uid);
  if (known == by_uid_.end()) return Commit{0};
  return drop(queues_.find(known->second));
}

void Registry::park(Held& held) {
  if (std::exchange(held.parked, true)) return;
  QueueSettings settings = held.queue->settings();
  settings.paused = true;
  held.queue->change(settings);
}

// Tombstones first: their names may be somebody else's by now.
Applied Registry::apply(const Policy& policy) {
  Applied applied;
  const auto note = [&applied](const std::string& queue, const auto& result) {
    if (result) return;
    log::error("a queue of the policy cannot be applied",
               {{"queue", queue}, {"error", result.error().detail}});
    applied.failures.push_back({queue, result.error()});
  };
  std::set<std::string> named;
  for (const PolicyQueue& queue : policy.queues) named.insert(queue.uid);
  for (const std::string& uid : policy.tombstones) {
    const auto known = by_uid_.find(uid);
    if (known == by_uid_.end() || named.contains(uid)) continue;
    const std::string name = known->second;
    note(name, drop_governed(uid));
  }
  std::vector<std::string> parked;  // parking answers who waits, and those may do anything
  for (const auto& [uid, name] : by_uid_)
    if (!named.contains(uid)) parked.push_back(name);
  for (const std::string& name : parked)
    if (const auto found = queues_.find(name); found != queues_.end()) park(found->second);
  other_queues_ = {policy.other_queues.begin(), policy.other_queues.end()};
  for (const PolicyQueue& queue : policy.queues) note(queue.name, apply_queue(queue));
  return applied;
}

}  // namespace pannier::queue
