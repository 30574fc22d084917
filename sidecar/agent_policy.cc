#include "common/code_pages.h"
#include "common/content_hash.h"
#include "common/log.h"
#include "sidecar/agent_impl.h"

namespace pannier {
namespace {

constexpr std::chrono::seconds kLookInterval{1};

}  // namespace

void Agent::Impl::watch_files() {
  const auto& local = options_.config.local;
  if (!local) return;
  policy_file_ = std::make_unique<FileWatch>(
      loop_, pool_, local->policy_file, [this](const std::string& text) { on_policy_text(text); });
  if (!local->members_file.empty())
    members_file_ =
        std::make_unique<FileWatch>(loop_, pool_, local->members_file,
                                    [this](const std::string& text) { on_members_text(text); });
  next_look_ = {};
  loop_.post([] {});  // a turn, in which they are looked at
}

void Agent::Impl::watch_keys(Keys in_use) {
  const auto& encryption = options_.config.spool.encryption;
  if (!encryption) return;
  keys_ =
      std::make_unique<KeyWatch>(loop_, pool_, encryption->keys_folder, std::move(in_use),
                                 [this](Keys keys) { return spool_->use_keys(std::move(keys)); });
}

void Agent::Impl::look_at_files(Clock::time_point now) {
  if ((!policy_file_ && !keys_) || now < next_look_) return;
  next_look_ = now + kLookInterval;
  if (keys_) keys_->look();
  if (policy_file_) policy_file_->look();
  if (members_file_) members_file_->look();
  renew_certificates();
  if (policy_failed_) apply(Policy(*policy_));
}

// A policy that cannot be read changes nothing.
void Agent::Impl::on_policy_text(const std::string& text) {
  const auto policy = parse_policy(text, policy_file_->file());
  if (!policy) {
    log::error("the policy cannot be used; the last one still counts",
               {{"error", policy.error().detail}});
    return;
  }
  policy_version_ = content_hash(text);
  apply(*policy);
}

void Agent::Impl::on_members_text(const std::string& text) {
  const auto members = parse_members(text, members_file_->file());
  if (!members) {
    log::error("the list of members cannot be used; the last one still counts",
               {{"error", members.error().detail}});
    return;
  }
  members_version_ = content_hash(text);
  members_agents_ = members->agents.size();
  access_->apply(*members);
  if (puller_) puller_->apply(*members);
  if (pusher_) pusher_->apply(*members);
  leases_.on_policy();
  push_door_.apply(*members);
}

// Nobody is served before there is one.
void Agent::Impl::apply(const Policy& policy) {
  const queue::Applied applied = registry_->apply(policy);
  access_->apply(policy);
  if (api_) api_->on_policy();
  if (puller_) puller_->apply(policy);
  if (pusher_) pusher_->apply(policy);
  leases_.on_policy();
  push_door_.on_policy();
  for (const auto& failure : applied.failures)
    log::error("a queue of the policy cannot be applied yet",
               {{"queue", failure.queue}, {"error", failure.error.detail}});
  policy_failed_ = !applied;
  const bool is_first = !policy_;
  policy_ = policy;
  if (!is_first) {
    log::info("a policy is applied", {{"queues", policy.queues.size()}});
    return;
  }
  if (is_ending_) return;
  if (auto opened = open_listeners(); !opened) {
    failure_ = opened.error();
    if (!options_.is_dev) log::error("the agent cannot serve", {{"error", failure_->detail}});
    loop_.stop();
    return;
  }
  pool_.post([] { release_code_pages(); });
}

void Agent::Impl::renew_certificates() {
  if (app_tls_)
    if (auto renewed = app_tls_->renew(); !renewed)
      log::error("the app's certificate cannot be renewed", {{"error", renewed.error().detail}});
  if (!peer_tls_ || std::exchange(is_reloading_, true)) return;
  pool_.post([this, shown = peer_tls_.get(), dials = dial_tls_.get(),
              admin = admin_tls_.get()] {  // all outlive the pool
    auto reloaded = shown->reload();
    if (auto dialled = dials->reload(); !dialled) reloaded = dialled.error();
    if (admin != nullptr)
      if (auto of_admin = admin->reload(); !of_admin) reloaded = of_admin.error();
    loop_.post([this, reloaded = std::move(reloaded)] {
      is_reloading_ = false;
      if (!reloaded)
        log::warn("the peer certificate's files cannot be used; the last ones still count",
                  {{"error", reloaded.error().detail}});
      else if (*reloaded)
        log::info("a new peer certificate is in use");
    });
  });
}

}  // namespace pannier
