// pannier-agent: flags and signals.
#include <csignal>
#include <cstdio>

#include <CLI/CLI.hpp>

#include "common/files.h"
#include "common/log.h"
#include "common/signal_thread.h"
#include "sidecar/agent.h"
#include "sidecar/dev_config.h"
#include "sidecar/drain_client.h"

namespace pannier {
namespace {

constexpr int kExitConfig = 78;  // EX_CONFIG
constexpr const char* kVersion = PANNIER_VERSION;

int fail(const Error& error) {
  std::fprintf(stderr, "pannier-agent: %s\n", error.detail.c_str());
  return kExitConfig;
}

Result<AgentConfig> config_in(const std::string& file) {
  const auto text = read_file(file);
  if (!text) return text.error();
  return parse_agent_config(*text, file);
}

int run(AgentOptions options) {
  SignalThread signals;  // before any other thread, so that none of them takes one
  options.version = kVersion;
  log::set_component("pannier-agent");
  log::start_thread();
  int code = 0;
  {
    net::Loop loop;
    auto agent = Agent::start(loop, std::move(options));
    if (agent) {
      signals.follow([&loop, &agent = **agent](int signal) {
        loop.post([&agent, signal] { signal == SIGHUP ? agent.reload() : agent.terminate(); });
      });
      loop.run();
      signals.stop();
      (*agent)->keep_final_status();
      if ((*agent)->has_failed()) code = kExitConfig;
    } else {
      log::error("the agent cannot start", {{"error", agent.error().detail}});
      code = kExitConfig;
    }
  }
  log::stop_thread();
  return code;
}

struct DrainFlags {
  std::string socket, config_file;
};

// For preStop: it says in one line what has become of it.
int ask_to_drain(const DrainFlags& flags) {
  std::string socket = AgentListeners{}.control_socket;
  if (!flags.config_file.empty()) {
    const auto config = config_in(flags.config_file);
    if (!config) return fail(config.error()), 1;
    socket = config->listeners.control_socket;
  }
  if (!flags.socket.empty()) socket = flags.socket;
  if (auto asked = pannier::ask_to_drain(socket); !asked) {
    fail(asked.error());
    return 1;
  }
  std::printf("the agent on %s drains\n", socket.c_str());
  return 0;
}

int main_of(int argc, char** argv) {
  CLI::App app("Pannier's agent: a message queue in every pod.", "pannier-agent");
  app.set_version_flag("--version", std::string("pannier-agent ") + kVersion);
  std::string config_file, checked_file;
  DevOptions dev_options;
  app.add_option("--config", config_file, "Run with this configuration");
  app.add_option("--check-config", checked_file, "Check this configuration, and do nothing else");
  CLI::App* dev = app.add_subcommand(
      "dev", "Run on a developer's machine: plaintext on loopback, user guest, password guest");
  dev->add_option("--data", dev_options.data, "Folder for the spool")->capture_default_str();
  dev->add_option("--amqp", dev_options.amqp, "AMQP listener")->capture_default_str();
  dev->add_option("--http", dev_options.http, "HTTP listener")->capture_default_str();
  dev->add_option("--admin", dev_options.admin, "Admin listener")->capture_default_str();
  DrainFlags drain_flags;
  CLI::App* drain = app.add_subcommand(
      "drain", "Ask the agent of this pod to hand its messages over; returns at once");
  drain->add_option("--socket", drain_flags.socket, "Its control socket");
  drain->add_option("--config", drain_flags.config_file, "Its configuration, for the socket");
  CLI11_PARSE(app, argc, argv);

  if (drain->parsed()) return ask_to_drain(drain_flags);
  if (dev->parsed()) {
    auto config = dev_config(dev_options);
    if (!config) return fail(config.error());
    return run({std::move(*config), true, {}});
  }
  if (!checked_file.empty()) {
    const auto config = config_in(checked_file);
    if (!config) return fail(config.error());
    std::printf("%s is valid\n", checked_file.c_str());
    return 0;
  }
  if (config_file.empty()) {
    std::fputs(app.help().c_str(), stderr);
    return kExitConfig;
  }
  auto config = config_in(config_file);
  if (!config) return fail(config.error());
  return run({std::move(*config), false, {}});
}

}  // namespace
}  // namespace pannier

int main(int argc, char** argv) { return pannier::main_of(argc, argv); }
