#include <charconv>
#include <limits>

#include "sidecar/amqp/channel.h"

namespace pannier::amqp {
namespace {

// Milliseconds, and no more than RabbitMQ's longest timer.
bool is_expiration(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  std::uint64_t number = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), number);
  return fault == std::errc() && end == text.data() + text.size() &&
         number <= std::numeric_limits<std::uint32_t>::max();
}

}  // namespace

// Whoever says who they are must be who they are (RabbitMQ's validated user-id): by the name that
// they logged in with, which is all a client knows of itself, or by the one that access goes by.
Result<void> Channel::check_user_id(const queue::Properties& properties) const {
  // Through a gate: checked where its publisher is known.
  if (gate_ || !properties.user_id) return {};
  const std::string& login = session_.login();
  const std::string& name = session_.principal().name;
  if (*properties.user_id == name || (!login.empty() && *properties.user_id == login)) return {};
  return Error{Errc::precondition, "user_id property set to '" + *properties.user_id +
                                       "' but authenticated user was '" +
                                       (login.empty() ? name : login) + "'"};
}

// RabbitMQ's sender-selected distribution: CC and BCC are lists of further routing keys, and nobody
// sees BCC.
Result<void> Channel::take_further_keys(queue::Properties& properties, bool& is_changed) {
  for (const char* name : {"CC", "BCC"}) {
    const queue::Value* value = properties.headers->find(name);
    if (value == nullptr) continue;
    const queue::Array* keys = value->as_array();
    if (keys == nullptr)
      return Error{Errc::precondition,
                   std::string("invalid message: header ") + name + " is no list of routing keys"};
    for (const queue::Value& key : keys->values)
      if (const std::string* text = key.as_text(); text != nullptr && text->size() <= 255)
        publishing_->further_keys.push_back(*text);
  }
  if (properties.headers->find("BCC") == nullptr) return {};
  properties.headers->erase("BCC");
  is_changed = true;
  return {};
}

// Checked once here, so that what is kept can be read by whoever delivers it. Most are kept as they
// came, byte by byte; flags that mean nothing are taken off, or clients would wait for more.
Result<void> Channel::take_properties(ByteView bytes) {
  Bytes& kept = publishing_->properties;
  kept.assign(bytes.begin(), bytes.end());
  if (kept.size() >= 2) kept[1] &= ~std::byte{3};
  auto properties = queue::Properties::decode(kept);
  if (!properties)  // RabbitMQ's channel fails over them, and says just that: 541
    return Error{Errc::corrupt, properties.error().detail};
  bool is_changed = false;
  if (properties->reply_to == kReplyTo) {
    if (!reply_consumer_) return Error{Errc::precondition, "fast reply consumer does not exist"};
    properties->reply_to = reply_consumer_->name;
    is_changed = true;
  }
  if (auto done = check_user_id(*properties); !done) return done;
  if (properties->expiration && !is_expiration(*properties->expiration))
    return Error{Errc::precondition, "invalid expiration '" + *properties->expiration + "'"};
  const auto traits = queue::traits_of(*properties);
  if (!traits) return traits.error();
  publishing_->traits = *traits;
  const auto mode = properties->delivery_mode;
  if (mode && *mode != 1 && *mode != 2)
    return Error{Errc::precondition, "invalid message: delivery mode " + std::to_string(*mode)};
  if (properties->headers && !gate_)
    if (auto done = take_further_keys(*properties, is_changed); !done) return done;
  if (!is_changed) return {};
  kept.clear();
  ByteWriter writer(kept);
  properties->encode(writer);
  return {};
}

}  // namespace pannier::amqp
