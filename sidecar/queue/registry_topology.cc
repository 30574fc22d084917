#include <algorithm>

#include "sidecar/queue/registry.h"
#include "sidecar/queue/registry_errors.h"

namespace pannier::queue {
namespace {

Bytes to_bytes(std::string_view text) {
  const ByteView view = as_bytes(text);
  return {view.begin(), view.end()};
}

Result<void> check_match(const Binding& binding) {
  const Value* mode = binding.arguments.find("x-match");
  if (mode == nullptr) return {};
  const std::string* text = mode->as_text();
  for (const char* known : {"all", "any", "all-with-x", "any-with-x"})
    if (text != nullptr && *text == known) return {};
  return Error{Errc::precondition, "invalid x-match " + (text == nullptr ? "type" : quoted(*text)) +
                                       ": all, any, all-with-x or any-with-x is expected"};
}

}  // namespace

const Exchange* Registry::find_exchange(std::string_view name) const {
  const auto found = exchanges_.find(name);
  return found == exchanges_.end() ? nullptr : &found->second;
}

Result<Commit> Registry::declare_exchange(const ExchangeSettings& settings, bool passive) {
  const auto found = exchanges_.find(settings.name);
  if (found != exchanges_.end()) {
    if (passive) return Commit{0};
    const ExchangeSettings& held = found->second.settings();
    if (settings.type != held.type)
      return Error{Errc::precondition, "inequivalent arg 'type' for exchange " +
                                           quoted(settings.name) + " in vhost '/'"};
    if (settings.durable != held.durable)
      return inequivalent("durable", "exchange", settings.name, settings.durable, held.durable);
    if (settings.auto_delete != held.auto_delete)
      return inequivalent("auto_delete", "exchange", settings.name, settings.auto_delete,
                          held.auto_delete);
    if (settings.internal != held.internal)
      return inequivalent("internal", "exchange", settings.name, settings.internal, held.internal);
    // Of the others RabbitMQ takes no notice.
    if (auto same = same_argument(kAlternateExchange, settings.arguments, held.arguments,
                                  "exchange", settings.name);
        !same)
      return same.error();
    return context_.spool.last_commit();
  }
  if (passive) return no_exchange(settings.name);
  if (settings.name.empty() || settings.name.starts_with("amq."))
    return reserved("exchange", settings.name);
  if (settings.name.size() > kNameSizeMax) return too_long(settings.name);
  const Value* alternate = settings.arguments.find(kAlternateExchange);
  if (alternate != nullptr && alternate->as_text() == nullptr)
    return Error{Errc::precondition, "invalid arg 'alternate-exchange' for exchange " +
                                         quoted(settings.name) + " in vhost '/': not a name"};
  const Bytes encoded = encode(settings);
  if (encoded.size() > kDefinitionBytesMax) return too_large("exchange", settings.name);
  if (exchanges_.size() >= limits_.exchanges)
    return Error{Errc::limit_reached,
                 "no more than " + std::to_string(limits_.exchanges) + " exchanges"};
  Commit commit = 0;
  if (settings.durable) {
    spool::Group group;
    group.put(kExchangeState, as_bytes(settings.name), encoded);
    auto appended = append(group);
    if (!appended) return appended.error();
    commit = *appended;
  }
  exchanges_.emplace(settings.name, Exchange(settings));
  return commit;
}

Result<Commit> Registry::delete_exchange(std::string_view name, bool if_unused) {
  if (name.empty() || name.starts_with("amq.")) return reserved("exchange", name);
  const auto found = exchanges_.find(name);
  if (found == exchanges_.end()) return Commit{0};
  if (if_unused && found->second.size() > 0)
    return Error{Errc::precondition, "exchange " + quoted(name) + " in vhost '/' in use"};
  bool is_governed = false;
  found->second.for_each([&](const Binding& held) { is_governed |= held.governed; });
  if (is_governed)
    return Error{Errc::access_denied, "exchange " + quoted(name) +
                                          " has bindings of a MessageQueue: remove those first"};
  Removal removal;
  removal.exchanges.emplace_back(name);
  removal.destinations.push_back({Destination::Kind::exchange, std::string(name)});
  plan(removal);
  spool::Group group;
  auto commit = append(removal, group);
  if (!commit) return commit.error();
  carry_out(removal);
  return commit;
}

// Bindings to what goes, and the exchanges that delete themselves with their last one.
void Registry::plan(Removal& removal) const {
  const auto erase = [&](const std::string& exchange, const Binding& binding) {
    if (binding.durable) removal.erased.emplace_back(kBindingState, encode(exchange, binding));
  };
  for (const std::string& name : removal.exchanges) {
    const Exchange& exchange = exchanges_.find(name)->second;
    exchange.for_each([&](const Binding& binding) { erase(name, binding); });
    if (exchange.settings().durable) removal.erased.emplace_back(kExchangeState, to_bytes(name));
  }
  const auto goes = [&](const std::string& name) {
    return std::find(removal.exchanges.begin(), removal.exchanges.end(), name) !=
           removal.exchanges.end();
  };
  std::map<std::string, std::size_t> removed;
  for (std::size_t i = 0; i < removal.destinations.size(); ++i) {  // grows
    const Destination gone = removal.destinations[i];
    for (const auto& [name, exchange] : exchanges_) {
      std::size_t count = 0;
      exchange.for_each_to(gone, [&](const Binding& binding) {
        ++count;
        erase(name, binding);
      });
      if (count == 0 || !exchange.settings().auto_delete || goes(name)) continue;
      if ((removed[name] += count) < exchange.size()) continue;
      if (exchange.settings().durable) removal.erased.emplace_back(kExchangeState, to_bytes(name));
      removal.exchanges.push_back(name);
      removal.destinations.push_back({Destination::Kind::exchange, name});
    }
  }
}

void Registry::carry_out(const Removal& removal) {
  for (const std::string& name : removal.exchanges) {
    const auto found = exchanges_.find(name);
    bindings_ -= found->second.size();
    exchanges_.erase(found);
  }
  for (const Destination& gone : removal.destinations)
    for (auto& [name, exchange] : exchanges_) bindings_ -= exchange.unbind_all(gone);
}

// One group if it fits, else bindings first and what they belong to last.
Result<Commit> Registry::append(Removal& removal, spool::Group& last) {
  constexpr std::size_t kBytesPerGroup = 16'384;
  spool::Group group;
  std::size_t bytes = 0;
  for (const auto& [kind, key] : removal.erased) bytes += key.size();
  std::size_t in_group = 0;
  for (const auto& [kind, key] : removal.erased) {
    if (bytes <= kBytesPerGroup) {
      last.erase(kind, key);
      continue;
    }
    group.erase(kind, key);
    in_group += key.size();
    bytes -= key.size();
    if (in_group < kBytesPerGroup && bytes > kBytesPerGroup) continue;
    if (auto commit = append(group); !commit) return commit.error();
    group.clear();
    in_group = 0;
  }
  return append(last);
}

bool Registry::is_durable(std::string_view exchange, const Destination& destination) const {
  const Exchange* source = find_exchange(exchange);
  if (source == nullptr || !source->settings().durable) return false;
  if (destination.kind == Destination::Kind::exchange)
    return find_exchange(destination.name)->settings().durable;
  const QueueDefinition& queue = queues_.find(destination.name)->second.definition;
  return queue.durable && !queue.exclusive;
}

Result<Commit> Registry::bind(std::string_view exchange, Binding binding, OwnerId asking) {
  const auto source = exchanges_.find(exchange);
  if (exchange.empty())
    return Error{Errc::access_denied, "operation not permitted on the default exchange"};
  if (binding.destination.kind == Destination::Kind::queue) {
    if (auto queue = find_queue(binding.destination.name, asking); !queue) return queue.error();
  } else if (find_exchange(binding.destination.name) == nullptr) {
    return no_exchange(binding.destination.name);
  }
  if (source == exchanges_.end()) return no_exchange(exchange);
  if (source->second.settings().type == ExchangeType::headers)
    if (auto valid = check_match(binding); !valid) return valid.error();
  binding.durable = is_durable(exchange, binding.destination);
  binding.governed = false;
  if (source->second.find(binding) != nullptr) return context_.spool.last_commit();
  if (bindings_ >= limits_.bindings)
    return Error{Errc::limit_reached,
                 "no more than " + std::to_string(limits_.bindings) + " bindings"};
  const Bytes encoded = encode(exchange, binding);
  if (binding.routing_key.size() > kNameSizeMax) return too_long(binding.routing_key);
  if (encoded.size() > kDefinitionBytesMax) return too_large("a binding of exchange", exchange);
  Commit commit = 0;
  if (binding.durable) {
    spool::Group group;
    group.put(kBindingState, encoded, value_of(binding));
    auto appended = append(group);
    if (!appended) return appended.error();
    commit = *appended;
  }
  source->second.bind(std::move(binding));
  ++bindings_;
  return commit;
}

Result<Commit> Registry::unbind(std::string_view exchange, const Binding& binding, OwnerId asking) {
  if (exchange.empty())
    return Error{Errc::access_denied, "operation not permitted on the default exchange"};
  const auto source = exchanges_.find(exchange);
  if (source == exchanges_.end()) return Commit{0};  // as RabbitMQ: nothing to unbind is no error
  const Binding* held = source->second.find(binding);
  if (held == nullptr) return Commit{0};
  if (binding.destination.kind == Destination::Kind::queue) {
    const auto found = queues_.find(binding.destination.name);
    if (found != queues_.end() && found->second.owner != 0 && found->second.owner != asking)
      return locked(binding.destination.name);
  }
  if (held->governed)
    return Error{Errc::access_denied, "the binding of " + quoted(binding.destination.name) +
                                          " to exchange " + quoted(exchange) +
                                          " belongs to a MessageQueue"};
  Removal removal;
  if (held->durable) removal.erased.emplace_back(kBindingState, encode(exchange, *held));
  if (source->second.size() == 1 && source->second.settings().auto_delete) {
    removal.erased.clear();
    removal.exchanges.emplace_back(exchange);
    removal.destinations.push_back({Destination::Kind::exchange, std::string(exchange)});
    plan(removal);
  }
  spool::Group group;
  auto commit = append(removal, group);
  if (!commit) return commit.error();
  if (removal.exchanges.empty()) bindings_ -= source->second.unbind(binding) ? 1 : 0;
  carry_out(removal);
  return commit;
}

}  // namespace pannier::queue
