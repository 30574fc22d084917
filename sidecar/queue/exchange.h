// Exchange: which bindings a message matches (AMQP 0-9-1, 3.1.3): direct, fanout, topic and
// headers.
//
// Destinations are names: whether a queue or an exchange of that name exists is the registry's
// business. Owned by Registry; loop thread; no I/O. A topic pattern is split once, when it is
// bound.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/policy.h"
#include "sidecar/queue/table.h"

namespace pannier::queue {

struct Destination {
  enum class Kind : std::uint8_t { queue, exchange };
  Kind kind = Kind::queue;
  std::string name;
  auto operator<=>(const Destination&) const = default;
};

struct Binding {
  Destination destination;
  std::string routing_key;
  Table arguments;
  bool durable = false;   // kept with the journal: exchange and destination are durable
  bool governed = false;  // asked for by a MessageQueue: clients cannot take it away
  // Same destination, key and arguments: it is bound once however often it is asked for.
  bool is_same(const Binding& other) const;
};

struct ExchangeSettings {
  std::string name;
  ExchangeType type = ExchangeType::direct;
  bool durable = false;
  bool auto_delete = false;
  bool internal = false;  // clients cannot publish to it
  Table arguments;
};

class Exchange {
 public:
  explicit Exchange(ExchangeSettings settings);

  const ExchangeSettings& settings() const { return settings_; }
  // Which exchange takes what no binding here matches; empty: none.
  const std::string& alternate() const { return alternate_; }
  std::size_t size() const { return bindings_.size(); }
  void for_each(const std::function<void(const Binding&)>& visit) const;
  void for_each_to(const Destination& destination,
                   const std::function<void(const Binding&)>& visit) const;
  const Binding* find(const Binding& same) const;

  // False if the same was there already: it is durable, or governed, if one of them is.
  bool bind(Binding binding);
  // False if there was none.
  bool unbind(const Binding& binding);
  // All bindings to that destination go. Returns how many.
  std::size_t unbind_all(const Destination& destination);

  // Calls back with the destination of every matching binding; one may come several times.
  // `headers` may be null. It is asked for only by exchanges of type headers.
  void match(std::string_view routing_key, const std::function<const Table*()>& headers,
             const std::function<void(const Destination&)>& matched) const;

 private:
  struct Held {
    Binding binding;
    std::vector<std::string> words;  // of a topic's pattern
  };
  struct DestinationHash {
    std::size_t operator()(const Destination& destination) const {
      return std::hash<std::string>()(destination.name);
    }
  };
  // Nodes stay where they are, so that the index by key can point at them.
  using Bindings = std::unordered_multimap<Destination, Held, DestinationHash>;
  Bindings::const_iterator find_held(const Binding& same) const;
  void erase(Bindings::const_iterator at);

  ExchangeSettings settings_;
  std::string alternate_;
  Bindings bindings_;
  std::unordered_multimap<std::string, const Binding*> by_key_;  // direct
};

// Topic words: '*' is one word, '#' any number of them, none included.
bool topic_matches(const std::vector<std::string>& pattern,
                   const std::vector<std::string_view>& words);
// Arguments of a headers binding: x-match all, any, all-with-x or any-with-x.
bool headers_match(const Table& arguments, const Table* headers);

// The argument of an exchange that names its alternate.
inline constexpr std::string_view kAlternateExchange = "alternate-exchange";

}  // namespace pannier::queue
