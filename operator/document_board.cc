#include "operator/document_board.h"

#include "common/content_hash.h"

namespace pannier {

void DocumentBoard::listen(Listener listener) {
  const std::lock_guard lock(mutex_);
  listener_ = std::move(listener);
}

void DocumentBoard::put(const std::string& pod_uid, std::string policy, std::string members,
                        const std::string& namespace_name,
                        std::shared_ptr<const PolicyContents> contents) {
  AgentDocuments next{std::move(policy), std::move(members), {}, {}};
  next.policy_version = content_hash(next.policy);
  next.members_version = content_hash(next.members);
  Listener listener;
  {
    const std::lock_guard lock(mutex_);
    Kept& kept = documents_[pod_uid];
    kept.namespace_name = namespace_name;
    kept.contents = std::move(contents);
    if (kept.documents == next) return;
    kept.documents = next;
    listener = listener_;
  }
  if (listener) listener(pod_uid, next);
}

void DocumentBoard::forget(const std::string& pod_uid) {
  const std::lock_guard lock(mutex_);
  documents_.erase(pod_uid);
}

void DocumentBoard::keep_only(const std::string& namespace_name,
                              const std::set<std::string>& pod_uids) {
  const std::lock_guard lock(mutex_);
  std::erase_if(documents_, [&](const auto& each) {
    return each.second.namespace_name == namespace_name && !pod_uids.contains(each.first);
  });
}

std::optional<AgentDocuments> DocumentBoard::find(const std::string& pod_uid) const {
  const std::lock_guard lock(mutex_);
  const auto kept = documents_.find(pod_uid);
  if (kept == documents_.end()) return std::nullopt;
  return kept->second.documents;
}

std::optional<PolicyOnBoard> DocumentBoard::find_policy(const std::string& pod_uid) const {
  const std::lock_guard lock(mutex_);
  const auto kept = documents_.find(pod_uid);
  if (kept == documents_.end()) return std::nullopt;
  return PolicyOnBoard{kept->second.documents.policy_version, kept->second.contents};
}

}  // namespace pannier
