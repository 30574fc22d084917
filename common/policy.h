// Policy: which queues an agent serves and who may do what with them. Made by the operator for one
// agent, kept by the agent on disk, or written by hand for an agent that runs alone.
//
// A value type; parse and to_yaml are pure; any thread. It comes from operator N to an agent of N-1
// and the reverse, so unknown keys are ignored unless told otherwise, while known ones must have
// the right type. Its version is content_hash of the text as received. Absence of a queue parks it;
// only a tombstone removes messages. Errors are bad_config with every place, or wrong_version for a
// newer schemaVersion.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/config_text.h"
#include "common/quantity.h"
#include "common/result.h"

namespace pannier {

inline constexpr int kPolicySchemaVersion = 1;
inline constexpr std::size_t kPolicyQueuesMax = 10'000;
inline constexpr std::chrono::seconds kHttpAckTimeoutDefault{60};

enum class Durability : std::uint8_t { memory, disk, peer, engine };
enum class Overflow : std::uint8_t { reject_publish, drop_head };
enum class Compression : std::uint8_t { none, lz4, zstd };
enum class ForwardMode : std::uint8_t { local, peers, hosts, engine };
enum class DeletionPolicy : std::uint8_t { wait_until_empty, delete_at_once };
enum class GroupBy : std::uint8_t { none, header };
enum class DedupBy : std::uint8_t { message_id, producer_sequence };
enum class ExchangeType : std::uint8_t { direct, fanout, topic, headers };
enum class HeaderMatch : std::uint8_t { all, any };
enum class SubjectKind : std::uint8_t { service_account, user };
enum class Verb : std::uint8_t { publish, consume, manage };

struct QueueHeader {
  std::string name;
  std::string value;
  auto operator<=>(const QueueHeader&) const = default;
};
struct QueueBinding {
  std::string exchange;
  ExchangeType type = ExchangeType::direct;
  std::string routing_key;
  HeaderMatch match = HeaderMatch::all;  // this and headers: for exchanges of type headers
  std::vector<QueueHeader> headers;
  auto operator<=>(const QueueBinding&) const = default;
};

struct QueueStorage {  // per agent; 0: no limit but the spool's
  std::uint64_t bytes_max = 1ull << 30;
  std::uint64_t messages_max = 1'000'000;
  Overflow overflow = Overflow::reject_publish;
  Compression compression = Compression::none;
  bool operator==(const QueueStorage&) const = default;
};

struct DeadLetter {  // a queue, or an exchange and routing key
  std::string queue;
  std::string exchange;
  std::string routing_key;
  bool operator==(const DeadLetter&) const = default;
};
struct QueueBackoff {
  std::chrono::milliseconds initial = std::chrono::seconds{1};
  std::chrono::milliseconds max = std::chrono::minutes{5};
  bool operator==(const QueueBackoff&) const = default;
};
struct Dedup {
  DedupBy by = DedupBy::message_id;
  std::chrono::milliseconds window = std::chrono::minutes{5};
  std::uint64_t ids_max = 1'000'000;
  bool operator==(const Dedup&) const = default;
};
struct QueueDelivery {
  std::optional<std::chrono::milliseconds>
      ack_timeout;  // unset: kHttpAckTimeoutDefault, none over AMQP
  std::uint32_t priorities = 10;
  std::chrono::milliseconds message_ttl{0};  // 0: never
  std::uint32_t deliveries_max = 20;         // 0: no limit
  QueueBackoff backoff;
  std::optional<DeadLetter> dead_letter;
  bool single_active_consumer = false;
  GroupBy group_by = GroupBy::none;
  std::optional<Dedup> dedup;
  std::chrono::milliseconds expires{0};  // 0: never
  bool operator==(const QueueDelivery&) const = default;
};

struct AccessSubject {
  SubjectKind kind = SubjectKind::service_account;
  std::string name;
  auto operator<=>(const AccessSubject&) const = default;
};
struct AccessRule {
  std::vector<AccessSubject> subjects;
  std::vector<Verb> verbs;
  auto operator<=>(const AccessRule&) const = default;
};

struct PolicyQueue {
  std::string uid;
  std::uint64_t generation = 1;
  std::string name;
  Durability durability = Durability::disk;
  QueueStorage storage;
  QueueDelivery delivery;
  std::vector<QueueBinding> bindings;
  ForwardMode forward_mode = ForwardMode::peers;
  std::string hosts_class;
  // Absent: the namespace's ServiceAccounts may Publish and Consume. Present, even empty: only
  // those listed.
  std::optional<std::vector<AccessRule>> access;
  bool paused = false;
  bool ending = false;  // being deleted: publishes are refused, consumers go on
  DeletionPolicy deletion_policy = DeletionPolicy::wait_until_empty;
  bool operator==(const PolicyQueue&) const = default;
};

struct UserPassword {
  std::string hash;  // "$scrypt$ln=15,r=8,p=1$SALT$HASH", both in base64 without padding
  std::optional<Timestamp> valid_until;
  auto operator<=>(const UserPassword&) const = default;
};
struct PolicyUser {
  std::string name;
  std::vector<UserPassword> passwords;  // one, or two during a rotation
  bool operator==(const PolicyUser&) const = default;
};

// Who signs the ServiceAccount tokens that the agent accepts.
struct TokenIssuer {
  std::string issuer;
  std::string jwks;  // RFC 7517, as the API server serves it
  auto operator<=>(const TokenIssuer&) const = default;
};

struct Policy {
  int schema_version = kPolicySchemaVersion;
  std::string namespace_name;
  ClientTopology client_topology = ClientTopology::none;
  std::vector<PolicyQueue> queues;  // that this agent serves
  std::vector<std::string>
      other_queues;  // names that the namespace has and this agent does not serve
  std::vector<std::string> tombstones;  // UIDs of deleted queues: remove their messages
  std::vector<PolicyUser> users;
  std::vector<TokenIssuer> token_issuers;
  std::string trust_bundle;  // PEM: the roots that sign peers and the operator
  bool operator==(const Policy&) const = default;
};

Result<Policy> parse_policy(std::string_view text, std::string_view file,
                            UnknownKeys unknown = UnknownKeys::ignore);

// Puts every list whose order means nothing into its canonical order: queues by name and so on.
void sort(Policy& policy);

// Canonical: policies that are equal once sorted have equal text, whatever order they were gathered
// in.
std::string to_yaml(Policy policy);

// The names of enum values in documents, shared with the operator's resources.
inline constexpr Named<Durability> kDurabilityNames[] = {{"Memory", Durability::memory},
                                                         {"Disk", Durability::disk},
                                                         {"Peer", Durability::peer},
                                                         {"Engine", Durability::engine}};
inline constexpr Named<Overflow> kOverflowNames[] = {{"RejectPublish", Overflow::reject_publish},
                                                     {"DropHead", Overflow::drop_head}};
inline constexpr Named<Compression> kCompressionNames[] = {
    {"None", Compression::none}, {"LZ4", Compression::lz4}, {"Zstd", Compression::zstd}};
inline constexpr Named<ForwardMode> kForwardModeNames[] = {{"Local", ForwardMode::local},
                                                           {"Peers", ForwardMode::peers},
                                                           {"Hosts", ForwardMode::hosts},
                                                           {"Engine", ForwardMode::engine}};
inline constexpr Named<DeletionPolicy> kDeletionPolicyNames[] = {
    {"WaitUntilEmpty", DeletionPolicy::wait_until_empty},
    {"Delete", DeletionPolicy::delete_at_once}};
inline constexpr Named<GroupBy> kGroupByNames[] = {{"None", GroupBy::none},
                                                   {"Header", GroupBy::header}};
inline constexpr Named<DedupBy> kDedupByNames[] = {
    {"MessageId", DedupBy::message_id}, {"ProducerSequence", DedupBy::producer_sequence}};
inline constexpr Named<ExchangeType> kExchangeTypeNames[] = {{"direct", ExchangeType::direct},
                                                             {"fanout", ExchangeType::fanout},
                                                             {"topic", ExchangeType::topic},
                                                             {"headers", ExchangeType::headers}};
inline constexpr Named<HeaderMatch> kHeaderMatchNames[] = {{"all", HeaderMatch::all},
                                                           {"any", HeaderMatch::any}};
inline constexpr Named<SubjectKind> kSubjectKindNames[] = {
    {"ServiceAccount", SubjectKind::service_account}, {"User", SubjectKind::user}};
inline constexpr Named<Verb> kVerbNames[] = {
    {"Publish", Verb::publish}, {"Consume", Verb::consume}, {"Manage", Verb::manage}};

}  // namespace pannier
