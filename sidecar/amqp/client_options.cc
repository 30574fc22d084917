#include "sidecar/amqp/client_options.h"

#include <algorithm>

namespace pannier::amqp {
namespace {

// One of the words that spaces separate.
bool offers(std::string_view mechanisms, std::string_view name) {
  while (!mechanisms.empty()) {
    const std::size_t end = std::min(mechanisms.find(' '), mechanisms.size());
    if (mechanisms.substr(0, end) == name) return true;
    mechanisms.remove_prefix(std::min(end + 1, mechanisms.size()));
  }
  return false;
}

queue::Table client_properties(const queue::Table& extra) {
  queue::Table capabilities;
  for (const char* name : {"publisher_confirms", "consumer_cancel_notify", "basic.nack",
                           "connection.blocked", "authentication_failure_close"})
    capabilities.set(name, true);
  queue::Table properties;
  properties.set("product", std::string("Pannier"));
  properties.set("platform", std::string("C++"));
  properties.set("capabilities", std::move(capabilities));
  for (const queue::Field& field : extra.fields()) properties.set(field.key, field.value);
  return properties;
}

template <typename Number>
Number lower(Number ours, Number theirs) {
  return ours == 0 || theirs == 0 ? std::max(ours, theirs) : std::min(ours, theirs);
}

}  // namespace

Result<ConnectionStartOk> start_ok(const ClientOptions& options, const ConnectionStart& start) {
  if (start.version_major != 0 || start.version_minor != 9)
    return Error{Errc::not_supported, "the server speaks AMQP " +
                                          std::to_string(start.version_major) + "-" +
                                          std::to_string(start.version_minor) + ", not 0-9"};
  const bool is_plain = options.login == ClientOptions::Login::plain;
  ConnectionStartOk ok;
  ok.mechanism = is_plain ? "PLAIN" : "EXTERNAL";
  if (!offers(start.mechanisms.text, ok.mechanism))
    return Error{Errc::not_supported, "the server does not offer " + ok.mechanism + ", only '" +
                                          start.mechanisms.text.substr(0, 255) + "'"};
  if (is_plain)  // RFC 4616, without an authorisation id
    ok.response.text = std::string(1, '\0') + options.user + '\0' + options.password;
  ok.client_properties = client_properties(options.properties);
  ok.locale = "en_US";
  return ok;
}

Result<ConnectionTuneOk> tune_ok(const ClientOptions& options, const ConnectionTune& tune) {
  if (tune.frame_max != 0 && tune.frame_max < kFrameMinSize)
    return Error{Errc::limit_reached, "the server's frames of at most " +
                                          std::to_string(tune.frame_max) +
                                          " bytes are smaller than AMQP allows"};
  const std::uint32_t frame_max = std::max(options.frame_max, kFrameMinSize);
  const auto channel_max = static_cast<std::uint16_t>(std::max<int>(options.channel_max, 1));
  ConnectionTuneOk ok;
  ok.channel_max = lower(channel_max, tune.channel_max);
  ok.frame_max = lower(frame_max, tune.frame_max);
  if (options.heartbeat_seconds != 0)
    ok.heartbeat = lower(options.heartbeat_seconds, tune.heartbeat);
  return ok;
}

}  // namespace pannier::amqp
