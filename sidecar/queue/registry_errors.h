// Errors of the registry: how refusals are worded, as RabbitMQ words them where it has them.
//
// Private to registry*.cc. Pure functions.
#pragma once

#include <string>
#include <string_view>

#include "sidecar/queue/definition.h"

namespace pannier::queue {

inline std::string quoted(std::string_view name) { return "'" + std::string(name) + "'"; }

inline Error no_queue(std::string_view name) {
  return {Errc::not_found, "no queue " + quoted(name) + " in vhost '/'"};
}

inline Error no_exchange(std::string_view name) {
  return {Errc::not_found, "no exchange " + quoted(name) + " in vhost '/'"};
}

inline Error locked(std::string_view name) {
  return {Errc::locked,
          "cannot obtain exclusive access to locked queue " + quoted(name) + " in vhost '/'"};
}

inline Error inequivalent(std::string_view argument, std::string_view kind, std::string_view name,
                          bool received, bool current) {
  const auto text = [](bool flag) { return flag ? "'true'" : "'false'"; };
  return {Errc::precondition, "inequivalent arg " + quoted(argument) + " for " + std::string(kind) +
                                  " " + quoted(name) + " in vhost '/': received " + text(received) +
                                  " but current is " + text(current)};
}

inline std::string shown(const Value* value) {
  if (value == nullptr) return "none";
  if (const std::string* text = value->as_text()) return quoted(*text);
  if (const auto number = value->as_integer()) return quoted(std::to_string(*number));
  return "another value";
}

inline Result<void> same_argument(std::string_view argument, const Table& received,
                                  const Table& current, std::string_view kind,
                                  std::string_view name) {
  const Value* asked = received.find(argument);
  const Value* held = current.find(argument);
  if (asked == held || (asked != nullptr && held != nullptr && *asked == *held)) return {};
  return Error{Errc::precondition, "inequivalent arg " + quoted(argument) + " for " +
                                       std::string(kind) + " " + quoted(name) +
                                       " in vhost '/': received " + shown(asked) +
                                       " but current is " + shown(held)};
}

inline Error reserved(std::string_view kind, std::string_view name) {
  return {Errc::access_denied,
          std::string(kind) + " name " + quoted(name) + " contains reserved prefix 'amq.*'"};
}

inline Error not_served(std::string_view name) {
  return {Errc::access_denied,
          "queue " + quoted(name) + " belongs to this namespace, but this agent does not serve it"};
}

inline Error too_long(std::string_view name) {
  return {Errc::precondition, "a name of " + std::to_string(name.size()) + " bytes; the most is " +
                                  std::to_string(kNameSizeMax)};
}

inline Error too_large(std::string_view kind, std::string_view name) {
  return {Errc::precondition, "the arguments of " + std::string(kind) + " " + quoted(name) +
                                  " are too large; the most is " +
                                  std::to_string(kDefinitionBytesMax) + " bytes with its name"};
}

}  // namespace pannier::queue
