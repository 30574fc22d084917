#include "sidecar/queue/dead_letter.h"

#include <algorithm>

namespace pannier::queue {
namespace {

std::string text_in(const Table& table, std::string_view key) {
  const Value* value = table.find(key);
  const std::string* text = value == nullptr ? nullptr : value->as_text();
  return text == nullptr ? std::string() : *text;
}

// Keys of a CC header: the message has been routed by them too.
void add_keys(const Table& headers, std::vector<std::string>& keys) {
  const Value* cc = headers.find("CC");
  const Array* array = cc == nullptr ? nullptr : cc->as_array();
  if (array == nullptr) return;
  for (const Value& value : array->values)
    if (const std::string* key = value.as_text()) keys.push_back(*key);
}

Array array_of(const std::vector<std::string>& keys) {
  Array array;
  for (const std::string& key : keys) array.values.emplace_back(key);
  return array;
}

bool is_same_death(const Table& death, const std::string& queue, std::string_view reason) {
  return text_in(death, "queue") == queue && text_in(death, "reason") == reason;
}

struct DeathNote {
  std::string queue;
  std::string exchange;
  std::vector<std::string> keys;
  std::string reason;
  std::optional<std::string> expiration;
  Milliseconds now = 0;
};

// The latest first; of the same queue and reason there is one, which counts.
Array deaths_with(const Table& headers, const DeathNote& note) {
  Table death;
  Array deaths;
  const Value* before = headers.find("x-death");
  const Array* held = before == nullptr ? nullptr : before->as_array();
  std::int64_t count = 1;
  for (std::size_t i = 0; held != nullptr && i < held->values.size(); ++i) {
    const Table* each = held->values[i].as_table();
    if (each == nullptr) continue;
    if (!is_same_death(*each, note.queue, note.reason)) {
      deaths.values.emplace_back(*each);
      continue;
    }
    const Value* counted = each->find("count");
    count = (counted == nullptr ? 0 : counted->as_integer().value_or(0)) + 1;
    death = *each;
  }
  death.set("count", count);
  if (count == 1) {
    death.set("reason", note.reason);
    death.set("queue", note.queue);
    death.set("time",
              Timestamp{static_cast<std::uint64_t>(std::max<Milliseconds>(0, note.now)) / 1'000});
    death.set("exchange", note.exchange);
    death.set("routing-keys", array_of(note.keys));
    if (note.expiration) death.set("original-expiration", *note.expiration);
  }
  deaths.values.insert(deaths.values.begin(), Value(std::move(death)));
  return deaths;
}

}  // namespace

std::string_view name_of(Death why) {
  switch (why) {
    case Death::rejected: return "rejected";
    case Death::expired: return "expired";
    case Death::max_length: return "maxlen";
    case Death::delivery_limit: return "delivery_limit";
  }
  return "";
}

DeadLetter dead_letter_of(const Message& message, const std::string& queue,
                          const DeadLetterTarget& target, Death why, Milliseconds now,
                          std::string_view nack_reason) {
  auto decoded = Properties::decode(message.properties());
  Properties properties = decoded ? std::move(*decoded) : Properties();
  if (!properties.headers) properties.headers.emplace();
  Table& headers = *properties.headers;
  DeathNote note{queue,
                 std::string(message.exchange()),
                 {std::string(message.routing_key())},
                 std::string(name_of(why)),
                 properties.expiration,
                 now};
  add_keys(headers, note.keys);
  headers.set("x-death", deaths_with(headers, note));
  for (const auto& [suffix, value] :
       {std::pair<std::string, const std::string&>{"reason", note.reason},
        {"queue", note.queue},
        {"exchange", note.exchange}}) {
    if (headers.find("x-first-death-" + suffix) == nullptr)
      headers.set("x-first-death-" + suffix, value);
    headers.set("x-last-death-" + suffix, value);
  }
  if (!nack_reason.empty()) headers.set("x-last-nack-reason", std::string(nack_reason));
  properties.expiration.reset();
  DeadLetter letter;
  letter.routing_keys = note.keys;
  if (target.routing_key) {
    letter.routing_keys = {*target.routing_key};
    headers.erase("CC");
  }
  Bytes encoded;
  ByteWriter writer(encoded);
  properties.encode(writer);
  letter.message = message;
  letter.message.published = now;
  letter.message.head = make_head(target.exchange, letter.routing_keys.front(), encoded);
  if (auto traits = traits_of(properties)) letter.message.traits = *traits;
  letter.message.traits.delay = std::chrono::milliseconds(0);  // it has waited once
  return letter;
}

bool is_cycle(const Table& headers, const std::string& queue) {
  const Value* value = headers.find("x-death");
  const Array* deaths = value == nullptr ? nullptr : value->as_array();
  if (deaths == nullptr) return false;
  for (const Value& each : deaths->values) {
    const Table* death = each.as_table();
    if (death == nullptr) continue;
    if (text_in(*death, "reason") == "rejected") return false;
    if (text_in(*death, "queue") == queue) return true;
  }
  return false;
}

}  // namespace pannier::queue
