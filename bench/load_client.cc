#include "bench/load_client.h"

#include <algorithm>

namespace pannier::bench {

using std::chrono::steady_clock;

void Load::look_at_time(steady_clock::time_point now) {
  if (options.seconds_max <= 0) return;
  if (std::chrono::duration<double>(now - began).count() < options.seconds_max) return;
  options.messages = std::min(options.messages, options.publish ? published : consumed);
}

bool Load::is_done() const {
  const bool published_all = !options.publish || confirmed + refused >= options.messages;
  return published_all && (!options.consume || consumed >= options.messages);
}

void Load::stop_if_done() {
  if (is_done()) loop->stop();
}

void Load::fail(const std::string& why) {
  if (is_done()) return;  // our own end
  if (error.empty()) error = why;
  loop->stop();
}

LoadClient::LoadClient(Load& load, std::size_t number, bool publishes)
    : load_(load), number_(number), publishes_(publishes) {}

std::unique_ptr<net::Session> LoadClient::make_session() {
  amqp::ClientOptions options;
  options.user = load_.options.user;
  options.password = load_.options.password;
  options.heartbeat_seconds = 0;
  options.limits.checks_properties = false;
  auto session = std::make_unique<amqp::ClientSession>(*this, options, system_clock());
  session_ = session.get();
  return session;
}

std::string LoadClient::queue_name(std::uint64_t number) const {
  return load_.options.queue_prefix + "-" + std::to_string(number % load_.options.queues);
}

void LoadClient::on_open() {
  const auto opened = session_->open_channel();
  if (!opened) return load_.fail(opened.error().detail);
  channel_ = *opened;
  // One declares for all: some servers fail where two declare the same queue at once.
  for (std::size_t i = 0; number_ == 0 && i < load_.options.queues; ++i) {
    amqp::QueueDeclare declare;
    declare.queue = queue_name(i);
    declare.durable = true;
    if (!load_.options.queue_type.empty())
      declare.arguments.set("x-queue-type", load_.options.queue_type);
    if (session_->ask(channel_, declare)) ++answers_due_;
  }
  if (publishes_) {
    if (session_->ask(channel_, amqp::ConfirmSelect{})) ++answers_due_;
    return;
  }
  if (session_->ask(channel_, amqp::BasicQos{0, load_.options.prefetch, false})) ++answers_due_;
  for (std::size_t i = 0; i < load_.options.queues; ++i) {
    amqp::BasicConsume consume;
    consume.queue = queue_name(i);
    if (session_->ask(channel_, consume)) ++answers_due_;
  }
}

void LoadClient::on_answer(amqp::ChannelId, const amqp::Answer& answer) {
  if (answer.method == amqp::ChannelOpenOk::kId) return;
  if (--answers_due_ > 0) return;
  if (number_ == 0) load_.declared();
  if (--load_.wants_ready == 0) load_.ready();
}

void LoadClient::go() {
  may_go_ = true;
  if (publishes_) publish_more();
}

void LoadClient::publish_more() {
  if (!may_go_) return;
  const auto now = steady_clock::now();
  while (sent_at_.size() < load_.options.in_flight && load_.published < load_.options.messages &&
         !session_->is_overfull()) {
    const std::string queue = queue_name(sent_ * load_.options.connections + number_);
    if (!session_->publish(channel_, {"", queue}, load_.properties, load_.body)) break;
    ++load_.published;
    ++sent_;
    sent_at_.push_back(now);
  }
}

void LoadClient::on_confirmed(amqp::ChannelId, amqp::DeliveryTag first, amqp::DeliveryTag last,
                              bool acked) {
  const auto now = steady_clock::now();
  for (amqp::DeliveryTag tag = first; tag <= last && !sent_at_.empty(); ++tag) {
    load_.confirm_latency.add(now - sent_at_.front());
    sent_at_.pop_front();
  }
  (acked ? load_.confirmed : load_.refused) += last - first + 1;
  load_.look_at_time(now);
  publish_more();
  load_.stop_if_done();
}

void LoadClient::on_room() { publish_more(); }

void LoadClient::on_message(amqp::ChannelId, const amqp::Incoming& incoming, Slice) {
  ++load_.consumed;
  if (!load_.options.publish) load_.look_at_time(steady_clock::now());
  const bool is_last = load_.consumed >= load_.options.messages;
  if (++unacked_ * 4 >= load_.options.prefetch || is_last) {
    static_cast<void>(session_->ack(channel_, incoming.tag, true));
    unacked_ = 0;
  }
  load_.stop_if_done();
}

void LoadClient::on_end(const amqp::Ending& ending) { load_.fail(ending.error.detail); }

void LoadClient::on_channel_closed(amqp::ChannelId, const amqp::Ending& ending) {
  load_.fail(ending.error.detail);
}

}  // namespace pannier::bench
