#include "sidecar/queue/exchange.h"

#include <algorithm>
#include <optional>

namespace pannier::queue {
namespace {

template <typename Word>
std::vector<Word> split(std::string_view text) {
  std::vector<Word> words;
  if (text.empty()) return words;  // no word, not an empty one: so RabbitMQ counts
  while (true) {
    const std::size_t dot = text.find('.');
    words.emplace_back(text.substr(0, dot));
    if (dot == std::string_view::npos) return words;
    text.remove_prefix(dot + 1);
  }
}

std::optional<long double> number_of(const Value& value) {
  return std::visit(
      [](const auto& held) -> std::optional<long double> {
        using T = std::decay_t<decltype(held)>;
        if constexpr (std::is_arithmetic_v<T> && !std::is_same_v<T, bool>) return held;
        if constexpr (std::is_same_v<T, Timestamp>) return held.seconds;
        return {};
      },
      value.held);
}

std::optional<ByteView> bytes_in(const Value& value) {
  if (const std::string* text = value.as_text()) return as_bytes(*text);
  if (const ByteArray* array = std::get_if<ByteArray>(&value.held)) return ByteView(array->bytes);
  return {};
}

// As RabbitMQ compares headers with arguments: by what they are worth. Numbers of all types and
// timestamps are one kind, strings and byte arrays another.
bool is_worth(const Value& header, const Value& argument) {
  if (const auto number = number_of(header)) return number == number_of(argument);
  if (const auto bytes = bytes_in(header)) {
    const auto other = bytes_in(argument);
    return other && std::ranges::equal(*bytes, *other);
  }
  return header == argument;
}

}  // namespace

Exchange::Exchange(ExchangeSettings settings) : settings_(std::move(settings)) {
  const Value* alternate = settings_.arguments.find(kAlternateExchange);
  if (alternate != nullptr && alternate->as_text() != nullptr) alternate_ = *alternate->as_text();
}

bool Binding::is_same(const Binding& other) const {
  return destination == other.destination && routing_key == other.routing_key &&
         arguments == other.arguments;
}

void Exchange::for_each(const std::function<void(const Binding&)>& visit) const {
  for (const auto& [destination, held] : bindings_) visit(held.binding);
}

void Exchange::for_each_to(const Destination& destination,
                           const std::function<void(const Binding&)>& visit) const {
  const auto [begin, end] = bindings_.equal_range(destination);
  for (auto at = begin; at != end; ++at) visit(at->second.binding);
}

Exchange::Bindings::const_iterator Exchange::find_held(const Binding& same) const {
  const auto [begin, end] = bindings_.equal_range(same.destination);
  for (auto at = begin; at != end; ++at)
    if (at->second.binding.is_same(same)) return at;
  return bindings_.end();
}

const Binding* Exchange::find(const Binding& same) const {
  const auto found = find_held(same);
  return found == bindings_.end() ? nullptr : &found->second.binding;
}

bool Exchange::bind(Binding binding) {
  if (const auto held = find_held(binding); held != bindings_.end()) {
    Binding& same = const_cast<Binding&>(held->second.binding);
    same.durable = same.durable || binding.durable;
    same.governed = same.governed || binding.governed;
    return false;
  }
  Held held;
  if (settings_.type == ExchangeType::topic) held.words = split<std::string>(binding.routing_key);
  held.binding = std::move(binding);
  Destination destination = held.binding.destination;
  const auto at = bindings_.emplace(std::move(destination), std::move(held));
  if (settings_.type == ExchangeType::direct)
    by_key_.emplace(at->second.binding.routing_key, &at->second.binding);
  return true;
}

void Exchange::erase(Bindings::const_iterator at) {
  const Binding& binding = at->second.binding;
  const auto [begin, end] = by_key_.equal_range(binding.routing_key);
  for (auto indexed = begin; indexed != end; ++indexed) {
    if (indexed->second != &binding) continue;
    by_key_.erase(indexed);
    break;
  }
  bindings_.erase(at);
}

bool Exchange::unbind(const Binding& binding) {
  const auto held = find_held(binding);
  if (held == bindings_.end()) return false;
  erase(held);
  return true;
}

std::size_t Exchange::unbind_all(const Destination& destination) {
  std::size_t gone = 0;
  while (true) {
    const auto held = bindings_.find(destination);
    if (held == bindings_.end()) return gone;
    erase(held);
    ++gone;
  }
}

void Exchange::match(std::string_view routing_key, const std::function<const Table*()>& headers,
                     const std::function<void(const Destination&)>& matched) const {
  switch (settings_.type) {
    case ExchangeType::direct: {
      const auto [begin, end] = by_key_.equal_range(std::string(routing_key));
      for (auto at = begin; at != end; ++at) matched(at->second->destination);
      return;
    }
    case ExchangeType::fanout:
      for (const auto& [destination, held] : bindings_) matched(destination);
      return;
    case ExchangeType::topic: {
      const auto words = split<std::string_view>(routing_key);
      for (const auto& [destination, held] : bindings_)
        if (topic_matches(held.words, words)) matched(destination);
      return;
    }
    case ExchangeType::headers: {
      const Table* table = headers();
      for (const auto& [destination, held] : bindings_)
        if (headers_match(held.binding.arguments, table)) matched(destination);
      return;
    }
  }
}

// Greedy with one step back: the last '#' seen takes one more word when what follows it fails.
// Never more than pattern times words steps, whatever a client binds.
bool topic_matches(const std::vector<std::string>& pattern,
                   const std::vector<std::string_view>& words) {
  constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  std::size_t p = 0, w = 0, hash = kNone, resume = 0;
  while (w < words.size()) {
    if (p < pattern.size() && pattern[p] == "#") {
      hash = p++;
      resume = w;
    } else if (p < pattern.size() && (pattern[p] == "*" || pattern[p] == words[w])) {
      ++p, ++w;
    } else if (hash != kNone) {
      p = hash + 1;
      w = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == "#") ++p;
  return p == pattern.size();
}

bool headers_match(const Table& arguments, const Table* headers) {
  const Value* mode_value = arguments.find("x-match");
  const std::string* mode = mode_value == nullptr ? nullptr : mode_value->as_text();
  const bool any = mode != nullptr && mode->starts_with("any");
  const bool with_x = mode != nullptr && mode->ends_with("-with-x");
  static const Table kNone;
  const Table& table = headers == nullptr ? kNone : *headers;
  for (const Field& field : arguments.fields()) {
    if (field.key == "x-match" || (!with_x && field.key.starts_with("x-"))) continue;
    const Value* value = table.find(field.key);
    // A void argument asks only that the header is there.
    const bool asks_presence = std::holds_alternative<std::monostate>(field.value.held);
    const bool matches = value != nullptr && (asks_presence || is_worth(*value, field.value));
    if (any && matches) return true;
    if (!any && !matches) return false;
  }
  return !any;
}

}  // namespace pannier::queue
