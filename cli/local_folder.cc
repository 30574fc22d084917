#include "cli/local_folder.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "common/files.h"

namespace pannier::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kEventsBytesMax = 16u << 20;
constexpr const char* kWhatToDo =
    "start `pannier-operator local DIR`, name its folder with --local DIR or PANNIER_LOCAL, or ask "
    "one agent with --socket PATH";

bool holds_state(const fs::path& folder) {
  std::error_code ignored;
  return fs::is_directory(folder / ".pannier", ignored);
}

std::vector<fs::path> sorted_entries(const fs::path& folder) {
  std::vector<fs::path> entries;
  std::error_code failed;
  for (fs::directory_iterator at(folder, failed), end; !failed && at != end; at.increment(failed))
    entries.push_back(at->path());
  std::ranges::sort(entries);
  return entries;
}

}  // namespace

Result<LocalFolder> LocalFolder::find(const std::string& wanted) {
  const char* const of_environment = std::getenv("PANNIER_LOCAL");
  std::string named = wanted;
  if (named.empty() && of_environment != nullptr) named = of_environment;
  std::error_code failed;
  const fs::path start = fs::absolute(named.empty() ? "." : named, failed).lexically_normal();
  if (failed)
    return Error{Errc::bad_config, "the working directory cannot be read: " + failed.message()};
  if (!named.empty()) {
    if (holds_state(start)) return LocalFolder(start.string());
    return Error{Errc::bad_config, "'" + named + "' holds no .pannier: no local operator has run " +
                                       "there; " + kWhatToDo};
  }
  for (fs::path at = start;; at = at.parent_path()) {
    if (holds_state(at)) return LocalFolder(at.string());
    if (at == at.parent_path()) break;
  }
  return Error{Errc::bad_config,
               "neither the working directory nor any folder above it holds .pannier; " +
                   std::string(kWhatToDo)};
}

std::string LocalFolder::control_socket(const std::string& pod_uid) const {
  return state() + "/run/" + pod_uid.substr(0, 8) + ".sock";
}

// DIR/.pannier/objects/KIND/NAMESPACE/NAME.json
std::vector<std::string> LocalFolder::objects(const std::string& kind) {
  std::vector<std::string> texts;
  for (const fs::path& of_namespace : sorted_entries(fs::path(state()) / "objects" / kind)) {
    for (const fs::path& file : sorted_entries(of_namespace)) {
      if (file.extension() != ".json" || file.filename().string().starts_with('.')) continue;
      auto text = read_file(file.string());
      if (text)
        texts.push_back(std::move(*text));
      else if (text.error().code != Errc::not_found)
        warnings.push_back(text.error().detail);
    }
  }
  return texts;
}

std::vector<QueueObject> LocalFolder::queues() {
  std::vector<QueueObject> queues;
  for (const std::string& text : objects("MessageQueue")) {
    if (auto queue = parse_queue_object(text))
      queues.push_back(std::move(*queue));
    else
      warnings.push_back("a file in '" + state() + "/objects/MessageQueue' is no MessageQueue");
  }
  return queues;
}

std::vector<PodObject> LocalFolder::pods() {
  std::vector<PodObject> pods;
  for (const std::string& text : objects("Pod")) {
    if (auto pod = parse_pod_object(text))
      pods.push_back(std::move(*pod));
    else
      warnings.push_back("a file in '" + state() + "/objects/Pod' is no Pod");
  }
  return pods;
}

std::vector<EventLine> LocalFolder::events() {
  std::vector<EventLine> events;
  const auto text = read_file(state() + "/events.jsonl", kEventsBytesMax);
  if (!text) {
    if (text.error().code != Errc::not_found) warnings.push_back(text.error().detail);
    return events;
  }
  // The last line may be half written.
  for (std::size_t at = 0, end; at < text->size(); at = end + 1) {
    end = std::min(text->find('\n', at), text->size());
    if (auto event = parse_event(text->substr(at, end - at))) events.push_back(std::move(*event));
  }
  return events;
}

}  // namespace pannier::cli
