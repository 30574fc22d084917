#include "operator/local/pod_fleet.h"

#include <algorithm>

#include "common/files.h"

namespace pannier::local {
namespace {

constexpr std::chrono::milliseconds kIdleMax = std::chrono::seconds{60};
constexpr std::chrono::milliseconds kAfterFailure = std::chrono::seconds{1};

// A text that lies there already is not written again: agents would read it for nothing.
Result<void> replace_text(const std::string& path, const std::string& text) {
  if (const auto now = read_file(path); now && *now == text) return {};
  return write_file(path, text, 0600);
}

}  // namespace

PodFleet::PodFleet(const Places& places, kube::Client& store, const kube::Cache& cache,
                   Identities& identities, const Clock& clock, PodRunnerOptions options)
    : places_(places),
      store_(store),
      cache_(cache),
      identities_(identities),
      clock_(clock),
      options_(std::move(options)) {
  options_.is_prepared = [this](const api::Pod& pod) { return is_prepared(pod); };
}

void PodFleet::touch(const kube::Key& pod) {
  const std::lock_guard lock(mutex_);
  touched_.insert(pod);
}

void PodFleet::put_documents(const std::string& pod_uid, const AgentDocuments& documents) {
  const std::lock_guard lock(mutex_);
  to_write_.insert_or_assign(pod_uid, documents);
}

bool PodFleet::is_prepared(const api::Pod& pod) const {
  return written_.contains(pod.metadata.uid) && identities_.has_identity(pod.metadata.uid);
}

Result<void> PodFleet::write(const std::string& pod_uid, const AgentDocuments& documents) {
  const std::string folder = places_.pod(pod_uid);
  if (auto made = make_folders(folder, 0700); !made) return made;
  // Members first: a queue of a new policy finds its peers.
  if (auto done = replace_text(folder + "/members.yaml", documents.members); !done) return done;
  return replace_text(folder + "/policy.yaml", documents.policy);
}

void PodFleet::write_documents() {
  std::map<std::string, AgentDocuments> all;
  {
    const std::lock_guard lock(mutex_);
    all.swap(to_write_);
  }
  if (all.empty()) return;
  std::map<std::string, kube::Key> pods;
  for (const kube::Object& pod : cache_.list(api::kPodKind)) pods[pod.metadata().uid] = pod.key();
  std::string problem;
  for (const auto& [uid, documents] : all) {
    const auto pod = pods.find(uid);
    if (pod == pods.end()) continue;  // it has gone meanwhile, and its folder with it
    if (auto done = write(uid, documents); !done) {
      problem = to_text(pod->second) + ": its documents cannot be written: " + done.error().detail;
      const std::lock_guard lock(mutex_);
      to_write_.try_emplace(uid, documents);
      continue;
    }
    written_.insert(uid);
    touch(pod->second);
  }
  if (!problem.empty() && problem != problem_) options_.say(true, problem);
  problem_ = problem;
}

void PodFleet::follow_store() {
  for (const kube::Object& pod : cache_.list(api::kPodKind)) {
    const kube::Key key = pod.key();
    if (runners_.contains(key)) continue;
    runners_[key].runner =
        std::make_unique<PodRunner>(places_, store_, cache_, clock_, options_, key);
  }
  std::set<kube::Key> touched;
  {
    const std::lock_guard lock(mutex_);
    touched.swap(touched_);
  }
  for (const kube::Key& key : touched)
    if (const auto found = runners_.find(key); found != runners_.end()) found->second.due = {};
}

std::chrono::milliseconds PodFleet::run_once(const std::set<int>& readable) {
  write_documents();
  follow_store();
  const Clock::time_point now = clock_.now();
  auto next = now + kIdleMax;
  for (auto each = runners_.begin(); each != runners_.end();) {
    Runner& of = each->second;
    const std::vector<int> descriptors = of.runner->descriptors();
    const bool is_called = std::any_of(descriptors.begin(), descriptors.end(),
                                       [&](int file) { return readable.contains(file); });
    if (is_called || of.due <= now) of.due = now + of.runner->run_once();
    next = std::min(next, of.due);
    each = of.runner->is_gone() ? runners_.erase(each) : std::next(each);
  }
  const std::lock_guard lock(mutex_);
  if (!to_write_.empty()) next = std::min(next, now + kAfterFailure);
  const auto wait = std::chrono::ceil<std::chrono::milliseconds>(next - now);
  return std::max(wait, std::chrono::milliseconds{0});
}

std::vector<int> PodFleet::descriptors() const {
  std::vector<int> all;
  for (const auto& [key, of] : runners_)
    for (const int each : of.runner->descriptors()) all.push_back(each);
  return all;
}

}  // namespace pannier::local
