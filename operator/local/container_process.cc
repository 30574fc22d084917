#include "operator/local/container_process.h"

#include <cstdlib>
#include <map>

namespace pannier::local {
namespace {

constexpr const char* kPath = "/usr/local/bin:/usr/bin:/bin";
constexpr const char* kLanguage = "C.UTF-8";

std::string own(const char* name, const char* otherwise) {
  const char* const value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : otherwise;
}

std::map<std::string, std::string> base_variables() {
  return {
      {"PATH", own("PATH", kPath)}, {"HOME", own("HOME", "/")}, {"LANG", own("LANG", kLanguage)}};
}

std::vector<std::string> lines_of(const std::map<std::string, std::string>& variables) {
  std::vector<std::string> lines;
  for (const auto& [name, value] : variables) {
    std::string& line = lines.emplace_back(name);
    (line += '=') += value;
  }
  return lines;
}

}  // namespace

std::string container_log(const Places& places, const std::string& pod_uid,
                          const std::string& container) {
  return places.pod(pod_uid) + "/logs/" + container + ".log";
}

std::string container_record(const Places& places, const std::string& pod_uid,
                             const std::string& container) {
  return places.pod(pod_uid) + "/containers/" + container + ".json";
}

std::vector<std::string> base_environment() { return lines_of(base_variables()); }

std::string expand_variables(std::string_view text,
                             const std::map<std::string, std::string>& variables) {
  std::string expanded;
  while (!text.empty()) {
    const auto dollar = text.find('$');
    expanded += text.substr(0, dollar);
    if (dollar == std::string_view::npos) break;
    text.remove_prefix(dollar);
    const auto close = text.starts_with("$(") ? text.find(')') : std::string_view::npos;
    std::size_t used = 1;
    if (text.starts_with("$$")) {
      expanded += '$';
      used = 2;
    } else if (close != std::string_view::npos) {
      const auto found = variables.find(std::string(text.substr(2, close - 2)));
      expanded +=
          found != variables.end() ? std::string_view(found->second) : text.substr(0, close + 1);
      used = close + 1;
    } else {
      expanded += '$';
    }
    text.remove_prefix(used);
  }
  return expanded;
}

Result<ProcessSpec> container_process(const Places& places, const api::Pod& pod,
                                      const api::Container& container,
                                      const std::string& app_folder) {
  auto variables = base_variables();
  std::map<std::string, std::string> known;  // those that a command may use: the pod's, not ours
  if (!app_folder.empty()) known["PANNIER_DIR"] = app_folder;
  for (const api::EnvironmentVariable& variable : container.env)
    known[variable.name] = expand_variables(variable.value, known);
  for (const auto& [name, value] : known) variables[name] = value;

  ProcessSpec spec;
  for (const auto* words : {&container.command, &container.args})
    for (const std::string& word : *words) spec.argv.push_back(expand_variables(word, known));
  if (container.command.empty() || spec.argv.front().empty())
    return Error{Errc::bad_config, "container " + container.name +
                                       " has no command, and its image is not run here: name the "
                                       "program in command"};
  spec.environment = lines_of(variables);
  spec.working_dir = container.working_dir.starts_with('/')
                         ? container.working_dir
                         : places.root() + "/" + container.working_dir;
  spec.log_file = container_log(places, pod.metadata.uid, container.name);
  spec.record_file = container_record(places, pod.metadata.uid, container.name);
  return spec;
}

}  // namespace pannier::local
