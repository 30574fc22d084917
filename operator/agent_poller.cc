#include "operator/agent_poller.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>

#include "common/certificate.h"
#include "common/log.h"

namespace pannier {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using Code = beast::error_code;
using Stream = beast::ssl_stream<beast::tcp_stream>;

constexpr std::uint32_t kHeaderBytesMax = 16u << 10;
constexpr std::uint64_t kBodyBytesMax = 8u << 20;

Error bad_identity(const std::string& what) {
  return {Errc::bad_config, "the operator's own identity: " + what};
}

// Whom we trust, who we are; nothing of the system's.
Result<void> equip(asio::ssl::context& context, const OperatorIdentity& identity) {
  SSL_CTX* native = context.native_handle();
  if (SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION) != 1)
    return bad_identity("TLS 1.2 is not there");
  const auto chain = Certificate::from_pem(identity.certificate_pem);
  if (!chain) return bad_identity(chain.error().detail);
  const auto key = PrivateKey::from_pem(identity.key_pem);
  if (!key) return bad_identity(key.error().detail);
  if (SSL_CTX_use_certificate(native, chain->native()) != 1 ||
      SSL_CTX_use_PrivateKey(native, key->native()) != 1)
    return bad_identity("the key is not the certificate's");
  const auto roots = Certificate::all_from_pem(identity.trust_bundle_pem);
  if (!roots) return bad_identity(roots.error().detail);
  for (const Certificate& root : *roots)
    X509_STORE_add_cert(SSL_CTX_get_cert_store(native), root.native());
  Code ignored;
  context.set_verify_mode(asio::ssl::verify_peer, ignored);
  return {};
}

Error tls_error(const Code& code, SSL* ssl) {
  const int reason = ERR_GET_REASON(static_cast<unsigned long>(code.value()));
  if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED)
    return {Errc::not_authenticated, std::string("its certificate is refused: ") +
                                         X509_verify_cert_error_string(SSL_get_verify_result(ssl))};
  if (reason >= SSL_AD_REASON_OFFSET)
    return {Errc::not_authenticated, "it refuses the operator's certificate: " + code.message()};
  return {Errc::closed, "TLS: " + code.message()};
}

Error error_of(const Code& code, SSL* ssl) {
  if (code == beast::error::timeout) return {Errc::timed_out, "it does not answer in time"};
  if (code == http::error::body_limit || code == http::error::header_limit ||
      code == http::error::buffer_overflow)
    return {Errc::too_large, "its answer is too large"};
  if (code.category() == asio::error::get_ssl_category()) return tls_error(code, ssl);
  if (code.category() == http::make_error_code(http::error::bad_version).category() &&
      code != http::error::end_of_stream && code != http::error::partial_message)
    return {Errc::bad_argument, "its answer is not HTTP: " + code.message()};
  return {Errc::closed, code.message()};
}

// One question, on an io_context of its own, so that a thread can wait for it with a deadline.
class Question {
 private:
  // A handler that keeps what became of it.
  auto kept() {
    is_done_ = false;
    return [this](const Code& code, std::size_t = 0) {
      code_ = code;
      is_done_ = true;
    };
  }
  // False: it failed, or the context was stopped because the poller ends.
  bool wait() {
    while (!is_done_ && !context_.stopped()) context_.run_one();
    if (!is_done_) code_ = asio::error::operation_aborted;
    return !code_;
  }

 public:
  Question(asio::io_context& context, asio::ssl::context& tls)
      : context_(context), stream_(context, tls) {}

  Result<std::string> ask(const AgentAddress& agent, std::chrono::milliseconds timeout) {
    Code code;
    const auto address = asio::ip::make_address(agent.address, code);
    if (code) return Error{Errc::bad_argument, "its address is none: " + agent.address};
    beast::get_lowest_layer(stream_).expires_after(timeout);  // for all of it
    beast::get_lowest_layer(stream_).async_connect({address, agent.port}, kept());
    if (!wait()) return failure();
    stream_.async_handshake(asio::ssl::stream_base::client, kept());
    if (!wait()) return failure();
    if (!is_peer(agent.spiffe_uri))
      return Error{Errc::not_authenticated, "somebody else is at its address"};
    http::request<http::empty_body> request(http::verb::get, "/v1/status", 11);
    request.set(http::field::host, "agent");
    request.keep_alive(false);
    http::async_write(stream_, request, kept());
    if (!wait()) return failure();
    parser_.header_limit(kHeaderBytesMax);
    parser_.body_limit(kBodyBytesMax);
    http::async_read(stream_, buffer_, parser_, kept());
    if (!wait()) return failure();
    if (parser_.get().result() != http::status::ok)
      return Error{Errc::bad_argument,
                   "it answers " + std::to_string(parser_.get().result_int()) + " to /v1/status"};
    return std::move(parser_.get().body());
  }

 private:
  Error failure() { return error_of(code_, stream_.native_handle()); }
  bool is_peer(const std::string& spiffe_uri) {
    X509* shown = SSL_get1_peer_certificate(stream_.native_handle());
    if (shown == nullptr) return false;
    return Certificate(std::shared_ptr<X509>(shown, X509_free)).spiffe_uri() == spiffe_uri;
  }

  asio::io_context& context_;
  const asio::executor_work_guard<asio::io_context::executor_type> work_{context_.get_executor()};
  Stream stream_;
  Code code_;
  bool is_done_ = false;
  beast::flat_buffer buffer_{kHeaderBytesMax + (64u << 10)};
  http::response_parser<http::string_body> parser_;
};

Result<AgentReport> ask(asio::io_context& context, const AgentAddress& agent,
                        const OperatorIdentity& identity, std::chrono::milliseconds timeout) {
  asio::ssl::context tls(asio::ssl::context::tls_client);
  if (auto equipped = equip(tls, identity); !equipped) return equipped.error();
  Question question(context, tls);
  const auto answer = question.ask(agent, timeout);
  if (!answer) return answer.error();
  auto report = parse_agent_report(*answer);
  if (!report)
    return Error{Errc::bad_argument, "its status cannot be read: " + report.error().detail};
  if (report->pod_uid != agent.pod_uid)
    return Error{Errc::bad_argument, "its status is another pod's"};
  return report;
}

}  // namespace

Result<AgentReport> ask_status(const AgentAddress& agent, const OperatorIdentity& identity,
                               std::chrono::milliseconds timeout) {
  asio::io_context context(1);
  return ask(context, agent, identity, timeout);
}

struct AgentPoller::State {
  State(Options given, Hooks called) : options(given), hooks(std::move(called)) {}

  void rounds();
  void work();
  void ask_one(const AgentAddress& agent, const OperatorIdentity& identity);
  void tell(const AgentAddress& agent, const Result<AgentReport>& answer);

  const Options options;
  const Hooks hooks;
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<AgentAddress> waiting;
  std::size_t asking = 0;
  bool is_wanted_now = false;
  bool is_stopped = false;
  std::set<asio::io_context*> contexts;
  std::map<std::string, std::optional<Errc>> told;  // by pod UID; none: it answers
  std::vector<std::thread> threads;
};

void AgentPoller::State::rounds() {
  std::unique_lock lock(mutex);
  while (!is_stopped) {
    const auto began = std::chrono::steady_clock::now();
    is_wanted_now = false;
    lock.unlock();
    std::vector<AgentAddress> agents = hooks.agents();
    lock.lock();
    std::set<std::string> uids;
    for (const AgentAddress& agent : agents) uids.insert(agent.pod_uid);
    std::erase_if(told, [&uids](const auto& each) { return !uids.contains(each.first); });
    waiting.assign(agents.begin(), agents.end());
    changed.notify_all();
    changed.wait(lock, [this] { return is_stopped || (waiting.empty() && asking == 0); });
    changed.wait_until(lock, began + options.interval,
                       [this] { return is_stopped || is_wanted_now; });
  }
}

void AgentPoller::State::work() {
  std::unique_lock lock(mutex);
  while (true) {
    changed.wait(lock, [this] { return is_stopped || !waiting.empty(); });
    if (is_stopped) return;
    const AgentAddress agent = std::move(waiting.front());
    waiting.pop_front();
    ++asking;
    lock.unlock();
    ask_one(agent, hooks.identity());
    lock.lock();
    --asking;
    changed.notify_all();
  }
}

void AgentPoller::State::ask_one(const AgentAddress& agent, const OperatorIdentity& identity) {
  asio::io_context context(1);
  {
    const std::lock_guard lock(mutex);
    if (is_stopped) return;
    contexts.insert(&context);
  }
  auto answer = ask(context, agent, identity, options.timeout);
  {
    const std::lock_guard lock(mutex);
    contexts.erase(&context);
    if (is_stopped) return;
    tell(agent, answer);
  }
  if (answer) hooks.on_report(std::move(*answer));
}

// Only what is news: an agent that has begun to answer, or fails for another reason than before.
void AgentPoller::State::tell(const AgentAddress& agent, const Result<AgentReport>& answer) {
  static log::RateLimit limit(20);
  const std::optional<Errc> state =
      answer ? std::nullopt : std::optional<Errc>(answer.error().code);
  const auto [before, is_first] = told.try_emplace(agent.pod_uid, state);
  if (!is_first && before->second == state) return;
  before->second = state;
  if (answer)
    log::info(limit, "an agent answers", {{"pod", agent.pod_name}, {"podUid", agent.pod_uid}});
  else
    log::warn(limit, "an agent's status cannot be had",
              {{"pod", agent.pod_name},
               {"podUid", agent.pod_uid},
               {"code", name_of(answer.error().code)},
               {"error", answer.error().detail}});
}

AgentPoller::AgentPoller(Options options, Hooks hooks)
    : state_(std::make_unique<State>(options, std::move(hooks))) {
  State* const state = state_.get();
  state->threads.emplace_back([state] { state->rounds(); });
  for (unsigned i = 0; i < std::max(1u, options.at_once); ++i)
    state->threads.emplace_back([state] { state->work(); });
}

AgentPoller::~AgentPoller() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->is_stopped = true;
    for (asio::io_context* each : state_->contexts) each->stop();
  }
  state_->changed.notify_all();
  for (std::thread& each : state_->threads) each.join();
}

void AgentPoller::look_now() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->is_wanted_now = true;
  }
  state_->changed.notify_all();
}

}  // namespace pannier
