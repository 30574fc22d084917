#include <nlohmann/json.hpp>

#include "common/random.h"
#include "operator/conditions.h"
#include "operator/reconcilers.h"
#include "operator/user_secret.h"

namespace pannier {
namespace {

constexpr std::size_t kPasswordBytes = 16;

struct Readiness {
  ConditionStatus status = ConditionStatus::is_true;
  std::string_view reason = "SecretReady";
  std::string message;
};

Readiness not_ready(std::string_view reason, std::string message) {
  return {ConditionStatus::is_false, reason, std::move(message)};
}

// The older MessageQueueUser of the same user name, if there is one.
std::string older_user(const kube::Cache& cache, const api::MessageQueueUser& user) {
  for (const kube::Object& object :
       cache.list(api::kMessageQueueUserKind, user.metadata.namespace_name)) {
    const auto read = object.read_by(api::read_message_queue_user);
    if (!*read) continue;
    const api::MessageQueueUser* const other = &**read;
    if (other->metadata.uid == user.metadata.uid || other->metadata.is_ending()) continue;
    if (other->user_name() == user.user_name() && is_older(other->metadata, user.metadata))
      return other->metadata.name;
  }
  return {};
}

// Whose Secret it is, of those that live: it may have been named by another's secretName.
std::string living_owner(const kube::Cache& cache, const kube::Object& secret) {
  const std::string_view made_for = secret.metadata().annotation(kMadeForAnnotation);
  for (const kube::Object& object :
       cache.list(api::kMessageQueueUserKind, secret.metadata().namespace_name))
    if (object.metadata().uid == made_for) return object.metadata().name;
  return {};
}

// Asked of the API where the cache has none: applying would take over what somebody else has made
// a moment ago.
Result<std::optional<kube::Object>> find_secret(ReconcileContext& context,
                                                const api::MessageQueueUser& user) {
  const kube::Key key{std::string(api::kSecretKind), user.metadata.namespace_name,
                      user.secret_name()};
  if (auto cached = context.cache.find(key)) return cached;
  auto got = context.client.get(key);
  if (got) return std::optional(std::move(*got));
  if (got.error().code != Errc::not_found) return got.error();
  return std::optional<kube::Object>();
}

// Ours always says what its password says, also after somebody has changed that.
Result<void> write_secret(ReconcileContext& context, const api::MessageQueueUser& user,
                          const std::string& password) {
  auto applied = context.client.apply(user_secret_json(user, password));
  if (!applied) return applied.error();
  return {};
}

bool says(const kube::Object& secret, const kube::Json& wanted) {
  const auto& json = secret.json();
  return json.contains("data") && json["data"] == wanted["data"];
}

Result<Readiness> reconcile_secret(ReconcileContext& context, const api::MessageQueueUser& user) {
  const std::string name = user.secret_name();
  auto found = find_secret(context, user);
  if (!found) return found.error();
  const std::optional<kube::Object> secret = std::move(*found);
  if (!secret) {
    if (auto made = write_secret(context, user, random_hex(kPasswordBytes)); !made)
      return made.error();
    return Readiness{ConditionStatus::is_true, "SecretReady", "Secret " + name + " is made"};
  }
  const SecretOrigin origin = origin_of(*secret, user);
  if (origin == SecretOrigin::foreign)
    return not_ready("SecretNotOurs",
                     "Secret " + name + " is not ours: label it " +
                         std::string(api::kUserSecretLabel) + "=" + user.metadata.name +
                         " to have its password used, remove it, or name another secretName");
  if (origin == SecretOrigin::earlier) {
    if (const std::string owner = living_owner(context.cache, *secret); !owner.empty())
      return not_ready("SecretNotOurs", "Secret " + name + " belongs to MessageQueueUser " + owner +
                                            ": name another secretName");
    // The garbage collector takes it as well; its password belonged to somebody who is gone.
    auto removed = context.client.remove(secret->key(), secret->metadata().uid);
    if (!removed && removed.error().code != Errc::not_found) return removed.error();
    return Readiness{ConditionStatus::unknown, "SecretOfEarlierUser",
                     "Secret " + name + " of an earlier user of this name is being removed"};
  }
  const std::string password = api::secret_value(*secret, "password");
  if (password.empty()) {
    const std::string mend = origin == SecretOrigin::ours
                                 ? "write one, or remove the Secret to have it made again"
                                 : "write one";
    return not_ready("PasswordMissing",
                     "Secret " + name + " has no value for its key password: " + mend);
  }
  if (origin == SecretOrigin::ours && !says(*secret, user_secret_json(user, password)))
    if (auto written = write_secret(context, user, password); !written) return written.error();
  return Readiness{ConditionStatus::is_true, "SecretReady",
                   "the password of Secret " + name + " is valid"};
}

}  // namespace

Result<Reconciled> reconcile_message_queue_user(ReconcileContext& context, const kube::Key& key) {
  const auto object = context.cache.find(key);
  // Its Secret goes with it, by its owner reference.
  if (!object || object->metadata().is_ending()) return Reconciled{};
  const auto user = api::read_message_queue_user(*object);
  Readiness readiness;
  if (!user) {
    readiness = not_ready("SpecNotUnderstood", user.error().detail);
  } else if (const std::string older = older_user(context.cache, *user); !older.empty()) {
    readiness = not_ready("NameTaken", "the user name \"" + user->user_name() +
                                           "\" belongs to MessageQueueUser " + older +
                                           ", which is older: delete this one, or give it another "
                                           "userName");
  } else {
    auto reconciled = reconcile_secret(context, *user);
    if (!reconciled) return reconciled.error();
    readiness = std::move(*reconciled);
  }
  const std::uint64_t generation = object->metadata().generation;
  kube::Json status = {
      {"conditions",
       conditions_json({{"Ready", readiness.status, readiness.reason, readiness.message}},
                       object->status(), generation, wall_time(context.clock))}};
  if (user) status["secretName"] = user->secret_name();
  if (status != object->status())
    if (auto written = context.client.put_status(key, status); !written) return written.error();
  // Another user's end or a Secret's change need not come as an event about this one.
  return Reconciled{context.status_interval};
}

}  // namespace pannier
