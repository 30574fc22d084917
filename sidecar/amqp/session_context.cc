#include "sidecar/amqp/session_context.h"

#include "sidecar/amqp/server_session.h"

namespace pannier::amqp {

queue::OwnerId SessionContext::add(ServerSession& session) {
  sessions_.insert(&session);
  return ++last_owner_;
}

void SessionContext::remove(ServerSession& session) {
  sessions_.erase(&session);
  awaiting_sync_.erase(&session);
  awaiting_room_.erase(&session);
}

// Whoever is told may take others with it.
void SessionContext::on_synced(queue::Commit synced) {
  const auto sessions = std::exchange(awaiting_sync_, {});
  for (ServerSession* session : sessions)
    if (sessions_.contains(session)) session->on_synced(synced);
}

void SessionContext::on_room() {
  const auto sessions = std::exchange(awaiting_room_, {});
  for (ServerSession* session : sessions)
    if (sessions_.contains(session)) session->on_spool_room();
}

void SessionContext::set_blocked(std::optional<std::string> reason) {
  if (reason == blocked_) return;
  blocked_ = std::move(reason);
  for (ServerSession* session : std::set<ServerSession*>(sessions_))
    if (sessions_.contains(session)) session->show_blocked();
}

void SessionContext::close_all(std::string_view reason) {
  for (ServerSession* session : std::set<ServerSession*>(sessions_))
    if (sessions_.contains(session)) session->force_close(reason);
}

void SessionContext::close_apps(std::string_view reason) {
  for (ServerSession* session : std::set<ServerSession*>(sessions_))
    if (sessions_.contains(session) && !session->is_link()) session->force_close(reason);
}

}  // namespace pannier::amqp
