#include "sidecar/dev_config.h"

#include <charconv>

#include "common/ip_address.h"

namespace pannier {
namespace {

// "127.0.0.1:5672" or "[::1]:5672".
Result<AgentListener> listener_from(const std::string& flag, const std::string& text) {
  const auto wrong = [&](const std::string& what) {
    return Error{Errc::bad_config, flag + " " + text + ": " + what +
                                       "; expected a loopback address and a port, such as "
                                       "127.0.0.1:5672"};
  };
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos) return wrong("there is no port");
  std::string address = text.substr(0, colon);
  if (address.size() > 2 && address.front() == '[' && address.back() == ']')
    address = address.substr(1, address.size() - 2);
  if (!is_ip_address(address)) return wrong("'" + address + "' is no IP address");
  if (!is_loopback_address(address))
    return wrong("it would offer plaintext beyond this machine, which is refused");
  AgentListener listener{true, {address}, 0};
  const char* const end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data() + colon + 1, end, listener.port);
  if (error != std::errc() || at != end) return wrong("that is no port");
  return listener;
}

}  // namespace

Result<AgentConfig> dev_config(const DevOptions& options) {
  AgentConfig config;
  config.class_name = "dev";
  config.identity.namespace_name = "dev";
  config.identity.pod_name = "dev";
  config.client_topology = ClientTopology::local;
  AgentListeners& listeners = config.listeners;
  listeners.amqps.enabled = listeners.https.enabled = listeners.peer.enabled = false;
  listeners.admin_plaintext = true;
  const std::pair<AgentListener*, std::pair<std::string, const std::string*>> flags[] = {
      {&listeners.amqp, {"--amqp", &options.amqp}},
      {&listeners.http, {"--http", &options.http}},
      {&listeners.admin, {"--admin", &options.admin}}};
  for (const auto& [listener, flag] : flags) {
    auto parsed = listener_from(flag.first, *flag.second);
    if (!parsed) return parsed.error();
    *listener = std::move(*parsed);
  }
  config.folders.spool = options.data + "/spool";
  config.folders.agent = options.data + "/agent";
  config.folders.app = options.data + "/app";
  listeners.control_socket = options.data + "/control.sock";
  return config;
}

}  // namespace pannier
