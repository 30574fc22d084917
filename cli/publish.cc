// pannierctl publish QUEUE [BODY | --file F | -]
#include <fstream>
#include <iostream>

#include "cli/agent_client.h"
#include "cli/json_fields.h"
#include "cli/people.h"
#include "cli/print.h"
#include "cli/publish_batch.h"
#include "cli/verbs.h"
#include "cli/view.h"
#include "common/files.h"

namespace pannier::cli {
namespace {

constexpr std::size_t kMessageBytesMax = 128u << 20;  // no agent takes more

Error usage(const std::string& detail) { return Error{Errc::bad_config, detail}; }

Error too_large(const std::string& what) {
  return Error{Errc::too_large, what + " has more than 128Mi, which no agent takes"};
}

Result<MessageTraits> traits_of(const PublishOptions& options) {
  MessageTraits traits{options.id, options.content_type, {}};
  for (const std::string& header : options.headers) {
    const std::size_t equals = header.find('=');
    if (equals == 0 || equals == std::string::npos)
      return usage("--header: expected name=value, found " + quoted_for_people(header));
    traits.headers.emplace_back(header.substr(0, equals), header.substr(equals + 1));
  }
  return traits;
}

Result<void> check(const PublishOptions& options) {
  const bool is_stdin = options.body == "-";
  if (options.body && !options.file.empty()) return usage("a body and --file exclude each other");
  if (options.lines && options.body && !is_stdin)
    return usage("--lines reads standard input, or --file: it takes no body");
  if (!options.body && options.file.empty() && !options.lines)
    return usage("what is to be published? Give a body, --file FILE, or - for standard input");
  if (!options.id.empty() && (options.lines || options.count > 1))
    return usage("--id means one message");
  if (options.lines && options.count > 1) return usage("--lines and --count exclude each other");
  return {};
}

Result<std::string> read_stdin() {
  std::string body;
  char bytes[1u << 16];
  while (std::cin.read(bytes, sizeof bytes) || std::cin.gcount() > 0) {
    body.append(bytes, static_cast<std::size_t>(std::cin.gcount()));
    if (body.size() > kMessageBytesMax) return too_large("standard input");
  }
  return body;
}

Result<std::string> body_of(const PublishOptions& options) {
  if (!options.file.empty() && options.file != "-")
    return read_file(options.file, kMessageBytesMax);
  if (!options.body || *options.body == "-") return read_stdin();
  return *options.body;
}

// Publishes to one queue of one agent, and prints what was confirmed.
class Publisher {
 public:
  Publisher(const Options& options, const Agent& agent, std::string queue)
      : options_(options),
        agent_(agent),
        queue_(std::move(queue)),
        client_(agent.socket, options.timeout) {}

  Result<void> one(const std::string& body, const MessageTraits& traits);
  Result<void> add(std::string_view body, const MessageTraits& traits);
  Result<void> finish() { return batch_.empty() ? Result<void>() : send_batch(); }

 private:
  Result<void> send_batch();
  Result<void> confirmed(const HttpAnswer& answer);

  const Options& options_;
  const Agent& agent_;
  const std::string queue_;
  AgentClient client_;
  PublishBatch batch_;
};

// Byte for byte, and as large as the agent takes.
Result<void> Publisher::one(const std::string& body, const MessageTraits& traits) {
  if (!traits.headers.empty()) {  // which only a batch can carry
    if (auto added = add(body, traits); !added) return added;
    return finish();
  }
  HttpRequest request{"POST", queue_target(queue_, "/messages?batch=false"), {}, body};
  const std::string type =
      traits.content_type.empty() ? content_type_of(body) : traits.content_type;
  request.headers.emplace_back("Content-Type", type);
  if (!traits.id.empty()) request.headers.emplace_back("Pannier-Message-Id", traits.id);
  const auto answer = client_.ask(request);
  return answer ? confirmed(*answer) : Result<void>(answer.error());
}

Result<void> Publisher::add(std::string_view body, const MessageTraits& traits) {
  if (batch_.add(body, traits)) return {};
  if (auto sent = send_batch(); !sent) return sent;
  static_cast<void>(batch_.add(body, traits));
  return {};
}

Result<void> Publisher::send_batch() {
  const auto answer = client_.ask({"POST",
                                   queue_target(queue_, "/messages"),
                                   {{"Content-Type", "application/x-ndjson"}},
                                   batch_.text()});
  batch_.clear();
  return answer ? confirmed(*answer) : Result<void>(answer.error());
}

Result<void> Publisher::confirmed(const HttpAnswer& answer) {
  const Json json = parse_json(answer.body);
  const std::string durability = text_field(json, {"durability"});
  Json ids = field(json, {"ids"});
  if (!ids.is_array()) ids = Json::array({field(json, {"id"})});
  std::string lines;
  for (const Json& id : ids) {
    if (!id.is_string())
      return Error{Errc::unexpected, "agent '" + agent_.pod + "' confirms without an id"};
    if (options_.output == Output::json)
      lines += to_line(
          {{"id", id}, {"queue", queue_}, {"durability", durability}, {"agent", agent_.pod}});
    else
      lines += harmless(id.get<std::string>() + " " + durability) + "\n";
  }
  return print(lines);
}

Result<void> publish_lines(Publisher& publisher, std::istream& input, const MessageTraits& traits) {
  for (std::string line; std::getline(input, line);) {
    if (line.ends_with('\r')) line.pop_back();
    if (line.size() > kMessageBytesMax) return too_large("a line");
    if (auto added = publisher.add(line, traits); !added) return added;
  }
  if (input.bad()) return Error{Errc::io_error, "the lines cannot be read to their end"};
  return publisher.finish();
}

Result<void> publish_file_lines(Publisher& publisher, const PublishOptions& options,
                                const MessageTraits& traits) {
  if (options.file.empty() || options.file == "-")
    return publish_lines(publisher, std::cin, traits);
  std::ifstream file(options.file);
  if (!file) return Error{Errc::io_error, "'" + options.file + "' cannot be opened"};
  return publish_lines(publisher, file, traits);
}

}  // namespace

Result<void> publish(const Options& options, const PublishOptions& publish) {
  if (auto checked = check(publish); !checked) return checked;
  const auto traits = traits_of(publish);
  if (!traits) return traits.error();
  if (publish.create && options.socket.empty() && options.agent.empty())
    return usage("--create needs to know where: add --agent POD");
  const auto view = look(options);
  if (!view) return view.error();
  const auto agent = choose_agent(*view, options, publish.queue, false);
  if (!agent) return agent.error();
  // Over its control socket an agent makes whatever queue we name: not for a slip of the hand.
  if (!publish.create && (*agent)->status->find(publish.queue) == nullptr)
    return Error{Errc::not_found, "agent '" + (*agent)->pod + "' has no queue '" + publish.queue +
                                      "'; --create makes one that no MessageQueue governs"};
  Publisher publisher(options, **agent, publish.queue);
  if (publish.lines) return publish_file_lines(publisher, publish, *traits);
  const auto body = body_of(publish);
  if (!body) return body.error();
  if (publish.count == 1) return publisher.one(*body, *traits);
  for (std::size_t i = 0; i < publish.count; ++i)
    if (auto added = publisher.add(*body, *traits); !added) return added;
  return publisher.finish();
}

}  // namespace pannier::cli
