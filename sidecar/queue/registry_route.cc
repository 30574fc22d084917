#include <algorithm>

#include "sidecar/queue/registry.h"
#include "sidecar/queue/registry_errors.h"

namespace pannier::queue {
namespace {

// The message's headers, parsed once, and only if an exchange asks.
class Headers {
 public:
  explicit Headers(const Message& message) : message_(message) {}
  const Table* operator()() {
    if (!properties_) {
      auto decoded = Properties::decode(message_.properties());
      properties_ = decoded ? std::move(*decoded) : Properties();
    }
    return properties_->headers ? &*properties_->headers : nullptr;
  }

 private:
  const Message& message_;
  std::optional<Properties> properties_;
};

// The key does not matter to them.
bool matches_once(const Exchange& exchange) {
  const ExchangeType type = exchange.settings().type;
  return type == ExchangeType::fanout || type == ExchangeType::headers;
}

void keep_one_each(std::vector<QueuePtr>& queues) {
  std::sort(queues.begin(), queues.end());
  queues.erase(std::unique(queues.begin(), queues.end()), queues.end());
}

}  // namespace

// The queue of that name. `unserved` is set if the namespace has it and this agent does not serve
// it.
QueuePtr Registry::served(std::string_view name, bool& unserved) const {
  const auto found = queues_.find(name);
  if (found != queues_.end() && !found->second.parked) return found->second.queue;
  unserved = unserved || found != queues_.end() || other_queues_.contains(name);
  return nullptr;
}

Result<std::vector<QueuePtr>> Registry::route(std::string_view exchange,
                                              std::string_view routing_key,
                                              const Message& message) {
  return route_any(exchange, {&routing_key, 1}, message);
}

// By their names, as the default exchange does.
Result<std::vector<QueuePtr>> Registry::named(std::span<const std::string_view> names) const {
  std::vector<QueuePtr> queues;
  for (const std::string_view name : names) {
    bool unserved = false;
    if (QueuePtr queue = served(name, unserved)) queues.push_back(std::move(queue));
    if (unserved) return not_served(name);
  }
  if (queues.size() > 1) keep_one_each(queues);
  return queues;
}

// Exchanges are followed once each. The alternate of one takes what matches no binding there,
// whatever has become of it elsewhere.
Result<std::vector<QueuePtr>> Registry::route_any(std::string_view exchange,
                                                  std::span<const std::string_view> keys,
                                                  const Message& message) {
  if (exchange.empty()) return named(keys);
  const auto first = exchanges_.find(exchange);
  if (first == exchanges_.end()) return no_exchange(exchange);
  std::vector<QueuePtr> queues;
  std::string parked;
  Headers headers(message);
  std::vector<const Exchange*> seen{&first->second};
  const auto follow = [&](std::string_view name) {
    const auto next = exchanges_.find(name);
    if (next != exchanges_.end() &&
        std::find(seen.begin(), seen.end(), &next->second) == seen.end())
      seen.push_back(&next->second);
  };
  for (std::size_t i = 0; i < seen.size(); ++i) {
    const Exchange& current = *seen[i];
    bool matched = false;
    const auto take = [&](const Destination& destination) {
      matched = true;
      if (destination.kind == Destination::Kind::exchange) return follow(destination.name);
      bool is_unserved = false;
      if (QueuePtr queue = served(destination.name, is_unserved))
        queues.push_back(std::move(queue));
      else if (is_unserved)
        parked = destination.name;
    };
    for (const std::string_view key : matches_once(current) ? keys.first(1) : keys)
      current.match(key, std::ref(headers), take);
    if (!matched && !current.alternate().empty()) follow(current.alternate());
  }
  if (queues.empty() && !parked.empty()) return not_served(parked);
  keep_one_each(queues);
  if (queues.size() > limits_.fan_out)
    return Error{Errc::limit_reached, "a message for " + std::to_string(queues.size()) +
                                          " queues; the most is " +
                                          std::to_string(limits_.fan_out)};
  return queues;
}

}  // namespace pannier::queue
