// DocumentBoard: the policy and members documents of every agent, as they should be now.
//
// Any thread. Whoever hands documents out (the agents' door; the local runner, which writes files)
// listens and reads. Nothing survives the process: documents are rendered again from the objects.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>

namespace pannier {

struct AgentDocuments {
  std::string policy;  // their texts
  std::string members;
  std::string policy_version;  // content_hash of the text
  std::string members_version;

  bool operator==(const AgentDocuments&) const = default;
};

// What a policy says of each queue, by UID.
struct PolicyContents {
  std::map<std::string, std::uint64_t> served;  // with the generation
  std::set<std::string> tombstones;
};

struct PolicyOnBoard {
  std::string version;
  std::shared_ptr<const PolicyContents> contents;  // may be none
};

class DocumentBoard {
 public:
  using Listener = std::function<void(const std::string& pod_uid, const AgentDocuments&)>;

  // Before the first document. Called on the thread that puts, without a lock held.
  void listen(Listener listener);

  // The same as before is no news.
  void put(const std::string& pod_uid, std::string policy, std::string members,
           const std::string& namespace_name = {},
           std::shared_ptr<const PolicyContents> contents = nullptr);
  void forget(const std::string& pod_uid);
  // Those of that namespace whose pods are not among these are forgotten.
  void keep_only(const std::string& namespace_name, const std::set<std::string>& pod_uids);
  std::optional<AgentDocuments> find(const std::string& pod_uid) const;
  std::optional<PolicyOnBoard> find_policy(const std::string& pod_uid) const;

 private:
  struct Kept {
    std::string namespace_name;
    AgentDocuments documents;
    std::shared_ptr<const PolicyContents> contents;
  };
  mutable std::mutex mutex_;
  std::map<std::string, Kept> documents_;  // by pod UID
  Listener listener_;
};

}  // namespace pannier
