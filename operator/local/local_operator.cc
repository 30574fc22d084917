#include "operator/local/local_operator.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <set>

#include <nlohmann/json.hpp>

#include "common/files.h"
#include "common/log.h"
#include "operator/admit_pod.h"
#include "operator/agent_poller.h"
#include "operator/local/admission.h"
#include "operator/local/folder_lock.h"
#include "operator/local/identities.h"
#include "operator/local/manifest_folder.h"
#include "operator/local/pod_fleet.h"
#include "operator/local/reconcile_loop.h"

namespace pannier::local {
namespace {

namespace fs = std::filesystem;
using kube::Object;
using std::chrono::milliseconds;

constexpr unsigned kPollersAtOnce = 4;
constexpr std::size_t kSocketPathMax = 107;  // unix(7)

// Wakes poll() from any thread.
class Bell {
 public:
  Bell() : file_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
    if (file_ < 0) std::abort();
  }
  ~Bell() { ::close(file_); }
  Bell(const Bell&) = delete;
  Bell& operator=(const Bell&) = delete;

  int descriptor() const { return file_; }
  void ring() const {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(file_, &one, sizeof one);
  }
  void silence() const {
    std::uint64_t count = 0;
    [[maybe_unused]] const ssize_t got = ::read(file_, &count, sizeof count);
  }

 private:
  int file_;
};

bool is_program(const std::string& path) {
  struct stat file {};
  return ::stat(path.c_str(), &file) == 0 && S_ISREG(file.st_mode) &&
         ::access(path.c_str(), X_OK) == 0;
}

Result<std::string> agent_program(const std::string& wanted) {
  std::error_code failure;
  if (!wanted.empty()) {
    if (is_program(wanted)) return fs::absolute(wanted, failure).string();
    return Error{Errc::bad_config, "--agent " + wanted + ": is no program: name pannier-agent"};
  }
  std::vector<std::string> folders;
  folders.push_back(fs::read_symlink("/proc/self/exe", failure).parent_path().string());
  const char* const path = std::getenv("PATH");
  std::string rest = path == nullptr ? "" : path;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(':'), rest.size());
    folders.push_back(rest.substr(0, end));
    rest.erase(0, end + 1);
  }
  for (const std::string& folder : folders)
    if (!folder.empty() && is_program(folder + "/pannier-agent")) return folder + "/pannier-agent";
  return Error{
      Errc::bad_config,
      "pannier-agent is neither beside pannier-operator nor in PATH: say where with --agent"};
}

Result<std::string> folder_of(const std::string& named) {
  std::error_code failure;
  const fs::path folder = fs::canonical(named, failure);
  if (failure)
    return Error{Errc::bad_config,
                 named + ": " + failure.message() + ": make the folder, and put manifests into it"};
  if (!fs::is_directory(folder, failure))
    return Error{Errc::bad_config, named + ": is no folder: name the folder of the manifests"};
  return folder.string();
}

// Keys and Secrets lie in it; who made it before us (a copy, git) may have left it open to all.
Result<void> close_to_others(const std::string& folder) {
  struct stat found {};
  if (::stat(folder.c_str(), &found) == 0 && (found.st_mode & 0777) == 0700) return {};
  if (::chmod(folder.c_str(), 0700) == 0) return {};
  return Error{Errc::bad_config,
               folder + ": cannot be closed to other users (" +
                   std::error_code(errno, std::generic_category()).message() +
                   "), and keys lie in it: run as its owner, or use another folder"};
}

std::size_t manifests_in(const std::string& folder) {
  std::size_t count = 0;
  std::error_code failure;
  for (fs::directory_iterator each(folder, failure), end; !failure && each != end;
       each.increment(failure)) {
    const std::string name = each->path().filename().string();
    count += !name.starts_with('.') &&
                     (name.ends_with(".yaml") || name.ends_with(".yml") || name.ends_with(".json"))
                 ? 1
                 : 0;
  }
  return count;
}

}  // namespace

// In the order in which they are built: the threads that use what is above them come last.
struct LocalOperator::State {
  State(LocalOptions given, Places of, FolderLock held)
      : options(std::move(given)), places(std::move(of)), lock(std::move(held)) {}
  ~State() { end_threads(); }

  Result<void> open();
  void begin_threads();
  void end_threads();
  Result<void> loop(bool is_down);
  std::set<int> wait(milliseconds limit);
  milliseconds keep_identities();
  std::vector<api::Pod> agents() const;
  std::vector<AgentAddress> addresses() const;
  void report(AgentReport got);
  void tell_of_end(const kube::Cache::Change& change) const;
  void say(bool is_problem, const std::string& text) const {
    if (options.say) options.say(is_problem, text);
  }
  bool has_pods() const { return !cache.list(api::kPodKind).empty(); }

  const LocalOptions options;
  const Places places;
  const FolderLock lock;
  const Clock& clock = system_clock();
  const Bell bell;
  std::atomic<bool> is_stopped = false;
  kube::Cache cache;
  AgentReports reports;
  DocumentBoard board;
  PasswordHashes hashes;
  std::unique_ptr<Identities> identities;
  std::unique_ptr<ReconcileLoop> reconciling;
  std::unique_ptr<ObjectStore> store;
  std::unique_ptr<PodFleet> fleet;
  std::unique_ptr<ManifestFolder> folder;
  std::unique_ptr<AgentPoller> poller;
  std::string identity_problem;
  std::string bundle;                 // that documents were rendered with
  std::atomic<bool> has_news = true;  // for the identities: a pod or a report
};

// Of what was said to be "being deleted" before. A pod's runner says it of the pod.
void LocalOperator::State::tell_of_end(const kube::Cache::Change& change) const {
  const Object& object = change.object();
  if (!change.after && object.metadata().is_ending() && object.kind() != api::kPodKind)
    say(false, to_text(object.key()) + ": gone");
}

Result<void> LocalOperator::State::open() {
  auto program = agent_program(options.agent_program);
  if (!program) return program.error();
  auto opened = Identities::open(places, options.ca, clock);
  if (!opened) return opened.error();
  identities = std::move(*opened);
  if (options.rotate_ca) identities->ask_for_rotation();
  bundle = identities->trust_bundle();

  reconciling = std::make_unique<ReconcileLoop>(cache, reports);
  cache.listen([this](const kube::Cache::Change& change) {
    tell_of_end(change);
    if (change.object().kind() != api::kPodKind) return;
    has_news = true;
    if (fleet) fleet->touch(change.object().key());
    if (!change.after) reports.forget(change.object().metadata().uid);
    bell.ring();
  });
  board.listen([this](const std::string& pod_uid, const AgentDocuments& documents) {
    fleet->put_documents(pod_uid, documents);
    bell.ring();
  });
  auto held = ObjectStore::open(places, cache, clock);
  if (!held) return held.error();
  store = std::move(*held);
  fleet = std::make_unique<PodFleet>(
      places, *store, cache, *identities, clock,
      PodRunnerOptions{*program, identities->trust_domain(), options.say, {}});
  return {};
}

void LocalOperator::State::begin_threads() {
  reconciling->begin({*store, cache, reports, board, hashes,
                      [this] { return identities->trust_bundle(); }, clock});
  AgentPoller::Options polling;
  polling.interval = options.status_interval;
  polling.at_once = kPollersAtOnce;
  poller = std::make_unique<AgentPoller>(
      polling,
      AgentPoller::Hooks{[this] { return addresses(); }, [this] { return identities->identity(); },
                         [this](AgentReport got) { report(std::move(got)); }});
}

void LocalOperator::State::end_threads() {
  poller.reset();
  if (reconciling) reconciling->end();
}

void LocalOperator::State::report(AgentReport got) {
  reconciling->on_report(std::move(got));
  if (identities->is_rotating()) {
    has_news = true;
    bell.ring();
  }
}

// Those that run, or are about to.
std::vector<api::Pod> LocalOperator::State::agents() const {
  std::vector<api::Pod> found;
  for (const Object& object : cache.list(api::kPodKind))
    if (auto pod = api::read_pod(object); pod && pod->is_injected() && !pod->is_over())
      found.push_back(std::move(*pod));
  return found;
}

std::vector<AgentAddress> LocalOperator::State::addresses() const {
  std::vector<AgentAddress> found;
  for (const api::Pod& pod : agents()) {
    if (!pod.status.is_agent_ready || pod.status.pod_ip.empty()) continue;
    const std::string name(pod.metadata.annotation(api::kInjectedAnnotation));
    api::AgentClassSpec spec;
    if (const auto object = cache.find({std::string(api::kAgentClassKind), {}, name}))
      if (const auto read = api::read_agent_class(*object)) spec = read->spec;
    const auto ports = ports_of(pod, spec);
    if (!ports) continue;
    found.push_back({pod.metadata.uid, pod.metadata.namespace_name + "/" + pod.metadata.name,
                     identities->uri_of(pod.metadata.namespace_name, pod.spec.service_account,
                                        pod.metadata.uid),
                     pod.status.pod_ip, ports->admin});
  }
  return found;
}

milliseconds LocalOperator::State::keep_identities() {
  std::vector<Identified> pods;
  for (const api::Pod& pod : agents()) {
    Identified each{pod.metadata.uid,
                    pod.metadata.namespace_name,
                    pod.spec.service_account,
                    pod.status.is_agent_ready,
                    {},
                    {}};
    if (const auto last = reports.find(pod.metadata.uid)) {
      each.trust_bundle_reported = last->trust_bundle;
      each.certificate_expires_reported = last->peer_certificate_expires;
    }
    pods.push_back(std::move(each));
  }
  const std::size_t count = identities->count();
  const auto happened = identities->keep(pods);
  const std::string problem = happened ? "" : "identities: " + happened.error().detail;
  if (!problem.empty() && problem != identity_problem) say(true, problem);
  identity_problem = problem;
  if (happened)
    for (const std::string& text : *happened) say(false, text);
  if (identities->count() != count)
    for (const api::Pod& pod : agents())
      fleet->touch({std::string(api::kPodKind), pod.metadata.namespace_name, pod.metadata.name});
  if (const std::string now = identities->trust_bundle(); now != bundle) {
    bundle = now;
    reconciling->add_documents();
  }
  return identities->again_after();
}

// Until something happens or the time has come. The descriptors that are readable.
std::set<int> LocalOperator::State::wait(milliseconds limit) {
  std::vector<pollfd> all{{bell.descriptor(), POLLIN, 0}};
  for (const int each : fleet->descriptors()) all.push_back({each, POLLIN, 0});
  const int timeout = static_cast<int>(std::clamp<std::int64_t>(limit.count(), 0, 60'000));
  std::set<int> readable;
  if (::poll(all.data(), all.size(), timeout) <= 0) return readable;
  for (const pollfd& each : all)
    if (each.revents != 0) readable.insert(each.fd);
  if (readable.contains(bell.descriptor())) bell.silence();
  return readable;
}

Result<void> LocalOperator::State::loop(bool is_down) {
  Clock::time_point next_look{}, next_identities{};
  std::set<int> readable;
  while (!is_stopped) {
    Clock::time_point now = clock.now();
    if (now >= next_look && lock.is_lost())
      return Error{Errc::closed, places.state() +
                                     " has been removed or replaced while this operator ran: it "
                                     "ends. Its pods run on, and no operator knows them any more: "
                                     "`pgrep -fa " +
                                     places.state() + "` shows them"};
    if (!is_down && now >= next_look) {
      folder->look();
      next_look = now + options.look_interval;
    }
    if (has_news.exchange(false) || now >= next_identities)
      next_identities = now + keep_identities();
    const milliseconds wanted = fleet->run_once(readable);
    if (is_down && fleet->size() == 0) return {};
    now = clock.now();
    Clock::time_point next = std::min(now + wanted, next_identities);
    if (!is_down) next = std::min(next, next_look);
    if (has_news) next = now;
    readable = wait(std::chrono::ceil<milliseconds>(next - now));
  }
  return {};
}

LocalOperator::LocalOperator(std::unique_ptr<State> state) : state_(std::move(state)) {}
LocalOperator::~LocalOperator() = default;

Result<std::unique_ptr<LocalOperator>> LocalOperator::open(LocalOptions options) {
  const auto folder = folder_of(options.folder);
  if (!folder) return folder.error();
  const Places places(*folder);
  if (const std::string socket = places.control_socket("12345678"); socket.size() > kSocketPathMax)
    return Error{Errc::bad_config,
                 *folder + ": its path is too long by " +
                     std::to_string(socket.size() - kSocketPathMax) +
                     " bytes for the sockets in it: use a folder with a shorter path"};
  for (const std::string& each : {places.state(), places.objects(), places.run(), places.pods()})
    if (auto made = make_folders(each, 0700); !made) return made.error();
  if (auto closed = close_to_others(places.state()); !closed) return closed.error();
  auto lock = FolderLock::take(places);
  if (!lock) return lock.error();
  auto state = std::make_unique<State>(std::move(options), places, std::move(*lock));
  if (auto opened = state->open(); !opened) return opened.error();
  return std::unique_ptr<LocalOperator>(new LocalOperator(std::move(state)));
}

Result<void> LocalOperator::run() {
  State& state = *state_;
  const std::string& root = state.places.root();
  state.say(false, root + ": " + std::to_string(manifests_in(root)) +
                       " manifests; what is kept of them is in " + state.places.state());
  state.folder = std::make_unique<ManifestFolder>(
      state.places, *state.store,
      ManifestFolder::Hooks{[&state](const auto& manifest, const auto& before, const auto& with) {
                              return admit_manifest(state.cache, manifest, before, with);
                            },
                            state.options.say});
  state.begin_threads();
  auto done = state.loop(false);
  state.end_threads();
  if (done && state.has_pods())
    state.say(false, "the pods run on; `pannier-operator local " + root +
                         "` takes them up again, "
                         "with --down it ends them");
  return done;
}

Result<void> LocalOperator::down() {
  State& state = *state_;
  for (const Object& pod : state.cache.list(api::kPodKind))
    if (!pod.metadata().is_ending())
      if (auto removed = state.store->remove(pod.key(), pod.metadata().uid); !removed)
        return removed;
  state.begin_threads();
  auto done = state.loop(true);
  state.end_threads();
  if (!done) return done;
  if (state.has_pods())
    return Error{Errc::closed, "ended before all pods had; they go on ending with the next --down"};
  state.say(false, "all pods have ended; their manifests stay");
  return {};
}

std::string LocalOperator::log_path() const { return state_->places.log(); }

void LocalOperator::stop() {
  state_->is_stopped = true;
  state_->bell.ring();
}

}  // namespace pannier::local
