// pannierctl: flags.
#include <csignal>
#include <functional>
#include <iostream>

#include <CLI/CLI.hpp>

#include "cli/print.h"
#include "cli/verbs.h"
#include "common/quantity.h"

namespace pannier::cli {
namespace {

constexpr int kExitFailed = 1;
constexpr int kExitUsage = 2;

// A flag that is a duration as Kubernetes spells it.
void add_duration(CLI::App& app, const std::string& name, std::chrono::milliseconds& value,
                  const std::string& help) {
  app.add_option_function<std::string>(
         name,
         [&value, name](const std::string& text) {
           const auto parsed = parse_duration(text);
           if (!parsed) throw CLI::ValidationError(name, parsed.error().detail);
           value = *parsed;
         },
         help)
      ->default_str(duration_text(value))
      ->type_name("DURATION");
}

// Everything that a command line can say.
struct CommandLine {
  Options options;
  std::string described;
  PublishOptions publish;
  ReceiveOptions receive;
  PeekOptions peek;
  PurgeOptions purge;
  std::function<Result<void>()> verb;
};

void add_globals(CLI::App& app, Options& options) {
  auto* const local = app.add_option(
      "--local", options.local,
      "Folder of `pannier-operator local`; default: PANNIER_LOCAL, or the nearest folder upward "
      "that holds .pannier");
  app.add_option("--socket", options.socket,
                 "Control socket of one agent, such as DATA/control.sock of `pannier-agent dev`")
      ->excludes(local);
  app.add_option("-n,--namespace", options.namespace_name, "Namespace")->capture_default_str();
  app.add_option("--agent", options.agent, "Only the agent of this pod")->type_name("POD");
  app.add_option_function<std::string>(
         "-o,--output",
         [&options](const std::string& text) {
           if (text != "wide" && text != "json")
             throw CLI::ValidationError("--output",
                                        "expected wide or json, found " + quoted_for_people(text));
           options.output = text == "json" ? Output::json : Output::wide;
         },
         "wide, or json")
      ->type_name("FORMAT");
  add_duration(app, "--timeout", options.timeout, "How long one answer of an agent may take");
}

void add_get(CLI::App& app, CommandLine& line) {
  CLI::App* const get = app.add_subcommand("get", "List queues or agents");
  get->require_subcommand(1);
  CLI::App* const queues = get->add_subcommand("queues", "Queues, with what is in them now");
  CLI::App* const agents = get->add_subcommand("agents", "Agents, and how they are");
  queues->alias("queue");
  agents->alias("agent");
  for (CLI::App* const each : {queues, agents})
    each->add_flag("-A,--all-namespaces", line.options.all_namespaces, "Of all namespaces");
  queues->callback([&line] { line.verb = [&line] { return get_queues(line.options); }; });
  agents->callback([&line] { line.verb = [&line] { return get_agents(line.options); }; });
  CLI::App* const describe = app.add_subcommand("describe", "Show one queue at length");
  describe->require_subcommand(1);
  CLI::App* const queue = describe->add_subcommand("queue", "A queue, or a MessageQueue");
  queue->add_option("QUEUE", line.described, "Its name")->required();
  queue->callback(
      [&line] { line.verb = [&line] { return describe_queue(line.options, line.described); }; });
}

void add_publish(CLI::App& app, CommandLine& line) {
  PublishOptions& options = line.publish;
  CLI::App* const publish =
      app.add_subcommand("publish", "Publish, and print id and durability once it is confirmed");
  publish->add_option("QUEUE", options.queue, "Where to")->required();
  publish->add_option("BODY", options.body, "The body; - reads standard input");
  publish->add_option("--file", options.file, "The body is in this file");
  publish->add_option("--id", options.id, "Its message id; default: a random UUID");
  publish->add_option("--content-type", options.content_type,
                      "Default: application/json, text/plain or application/octet-stream, as the "
                      "body is");
  publish->add_option("--header", options.headers, "A header name=value; more than once for more")
      ->type_name("NAME=VALUE")
      ->allow_extra_args(false);
  publish->add_option("--count", options.count, "Publish it so many times")
      ->check(CLI::Range(1u, 10'000'000u))
      ->capture_default_str();
  publish->add_flag("--lines", options.lines,
                    "Each line of standard input, or of --file, is one message; up to 4,096 at a "
                    "time, which are published together or not at all");
  publish->add_flag("--create", options.create,
                    "Make the queue where the agent does not have it; needs --socket or --agent");
  publish->callback(
      [&line] { line.verb = [&line] { return cli::publish(line.options, line.publish); }; });
}

void add_receive(CLI::App& app, CommandLine& line) {
  ReceiveOptions& options = line.receive;
  CLI::App* const receive =
      app.add_subcommand("receive", "Take messages: print them, then acknowledge them");
  receive->add_option("QUEUE", options.queue, "Where from")->required();
  receive->add_option("--max", options.max, "At most so many")
      ->check(CLI::Range(1u, 10'000'000u))
      ->capture_default_str();
  add_duration(*receive, "--wait", options.wait, "How long to wait for the first; at most 5m");
  receive->add_flag("--ack,!--no-ack", options.acks,
                    "Acknowledge what has been printed (the default); --no-ack puts it back, which "
                    "counts as a failed delivery. What pannierctl could not print or acknowledge "
                    "comes again");
  receive->callback(
      [&line] { line.verb = [&line] { return cli::receive(line.options, line.receive); }; });
}

void add_others(CLI::App& app, CommandLine& line) {
  CLI::App* const peek =
      app.add_subcommand("peek", "Look at the first messages on each agent, without any effect");
  peek->add_option("QUEUE", line.peek.queue, "Which queue")->required();
  peek->add_option("--max", line.peek.max, "At most so many of each agent")
      ->check(CLI::Range(1u, 100u))
      ->capture_default_str();
  peek->callback([&line] { line.verb = [&line] { return cli::peek(line.options, line.peek); }; });
  CLI::App* const purge =
      app.add_subcommand("purge", "Remove all ready messages of a queue, on each agent");
  purge->add_option("QUEUE", line.purge.queue, "Which queue")->required();
  purge->add_flag("-y,--yes", line.purge.yes, "Do not ask");
  purge->callback(
      [&line] { line.verb = [&line] { return cli::purge(line.options, line.purge); }; });
}

int main_of(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // a reader that goes is an error like others
  CommandLine line;
  CLI::App app("Pannier for people: queues, agents and messages.", "pannierctl");
  app.set_version_flag("--version", "pannierctl " PANNIER_VERSION);
  app.require_subcommand(1);
  app.fallthrough();
  add_globals(app, line.options);
  add_get(app, line);
  add_publish(app, line);
  add_receive(app, line);
  add_others(app, line);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error, std::cout, std::cerr) == 0 ? 0 : kExitUsage;
  }
  const auto done = line.verb();
  if (done) return 0;
  warn(done.error().detail);
  return done.error().code == Errc::bad_config ? kExitUsage : kExitFailed;
}

}  // namespace
}  // namespace pannier::cli

int main(int argc, char** argv) { return pannier::cli::main_of(argc, argv); }
