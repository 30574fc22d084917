#include "sidecar/net/tls_stream.h"

#include <openssl/ssl.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "common/ip_address.h"
#include "common/openssl_handle.h"
#include "sidecar/net/tls_verify.h"

namespace pannier::net {

// A BIO over a stream's Io. Its memory is the caller's, so a connection has no buffer here.
struct TlsBio {
  using Io = TlsStream::Io;

  static int read(BIO* bio, char* into, int size) {
    Io& io = *static_cast<Io*>(BIO_get_data(bio));
    BIO_clear_retry_flags(bio);
    if (size <= 0) return 0;
    const std::size_t taken = std::min(io.in.size(), static_cast<std::size_t>(size));
    if (taken == 0) return BIO_set_retry_read(bio), -1;
    std::memcpy(into, io.in.data(), taken);
    io.in = io.in.subspan(taken);
    return static_cast<int>(taken);
  }
  static int write(BIO* bio, const char* from, int size) {
    Io& io = *static_cast<Io*>(BIO_get_data(bio));
    BIO_clear_retry_flags(bio);
    if (size <= 0) return 0;
    if (io.out == nullptr) return BIO_set_retry_write(bio), -1;
    const ByteView bytes = as_bytes({from, static_cast<std::size_t>(size)});
    io.out->insert(io.out->end(), bytes.begin(), bytes.end());
    return size;
  }
  static long control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

  static BIO* make(Io& io) {
    static const Handle<BIO_METHOD, BIO_meth_free> method = [] {
      BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "pannier stream");
      if (made == nullptr) std::abort();
      BIO_meth_set_read(made, read);
      BIO_meth_set_write(made, write);
      BIO_meth_set_ctrl(made, control);
      return Handle<BIO_METHOD, BIO_meth_free>(made);
    }();
    BIO* bio = BIO_new(method.get());
    if (bio == nullptr) std::abort();
    BIO_set_data(bio, &io);
    BIO_set_init(bio, 1);
    return bio;
  }
};

namespace {

// Plaintext on its way: one buffer a thread and direction serves all streams. Should a sink go on
// to another stream while it holds the buffer, that one gets a buffer of its own.
class Scratch {
 public:
  struct Shared {
    Bytes bytes;
    bool is_taken = false;
  };
  static Shared& for_reading() {
    thread_local Shared shared;
    return shared;
  }
  static Shared& for_writing() {
    thread_local Shared shared;
    return shared;
  }

  Scratch(Shared& shared, std::size_t size) : shared_(shared.is_taken ? nullptr : &shared) {
    if (shared_ != nullptr) shared_->is_taken = true;
    bytes().resize(size);
  }
  ~Scratch() {
    if (shared_ != nullptr) shared_->is_taken = false;
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  Bytes& bytes() { return shared_ != nullptr ? shared_->bytes : own_; }

 private:
  Shared* shared_;
  Bytes own_;
};

constexpr std::size_t kReadBytes = 2 * TlsStream::kRecordBytes;

// What people send to a TLS port by mistake; empty: nothing that we know.
std::string_view plain_protocol(std::string_view first) {
  if (first == "AMQP") return "AMQP";
  for (const std::string_view start :
       {"GET ", "POST", "PUT ", "HEAD", "DELE", "OPTI", "PATC", "CONN", "TRAC", "HTTP", "PRI "}) {
    if (first == start) return "HTTP";
  }
  return {};
}

}  // namespace

// The length of one call into OpenSSL: gives it the caller's bytes and takes them away again. A
// sink may encrypt to its own stream, so calls nest.
class TlsStream::Call {
 public:
  Call(TlsStream& stream, ByteView in, Bytes& out)
      : io_(stream.io_), outer_(std::exchange(io_, {in, &out})) {
    ERR_clear_error();
  }
  ~Call() {
    io_ = outer_;
    ERR_clear_error();
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

 private:
  Io& io_;
  const Io outer_;
};

void TlsStream::FreeSsl::operator()(ssl_st* ssl) const { SSL_free(ssl); }

TlsStream::TlsStream(std::shared_ptr<const TlsContext> context)
    : context_(std::move(context)), ssl_(SSL_new(context_->native())) {
  if (!ssl_) std::abort();
  BIO* bio = TlsBio::make(io_);
  SSL_set_bio(ssl_.get(), bio, bio);
  if (context_->role() == TlsRole::server)
    SSL_set_accept_state(ssl_.get());
  else
    SSL_set_connect_state(ssl_.get());
}

TlsStream::TlsStream(std::shared_ptr<const TlsContext> context, const TlsServer& to)
    : TlsStream(std::move(context)) {
  expected_ = std::make_unique<TlsExpected>(TlsExpected{to.host, to.spiffe_uri});
  SSL_set_app_data(ssl_.get(), expected_.get());
  if (!to.spiffe_uri.empty() || to.host.empty()) return;
  X509_VERIFY_PARAM* param = SSL_get0_param(ssl_.get());
  X509_VERIFY_PARAM_set_hostflags(
      param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  const bool set = is_ip_address(to.host)
                       ? X509_VERIFY_PARAM_set1_ip_asc(param, to.host.c_str()) == 1
                       : X509_VERIFY_PARAM_set1_host(param, to.host.data(), to.host.size()) == 1 &&
                             SSL_set_tlsext_host_name(ssl_.get(), to.host.c_str()) == 1;
  if (!set) expected_->host.clear();  // a name that cannot be checked is nobody's
  ERR_clear_error();
}

TlsStream::~TlsStream() = default;

Result<void> TlsStream::start(Bytes& out) {
  if (failed_) return *failed_;
  const Call call(*this, {}, out);
  const int done = SSL_do_handshake(ssl_.get());
  if (done == 1 || SSL_get_error(ssl_.get(), done) == SSL_ERROR_WANT_READ) return {};
  return fail();
}

Result<void> TlsStream::on_ciphertext(ByteView in, const Sink& plain, Bytes& out) {
  if (failed_) return *failed_;
  for (std::size_t i = 0; i < in.size() && first_size_ < first_.size(); ++i)
    first_[first_size_++] = static_cast<char>(in[i]);
  Scratch scratch(Scratch::for_reading(), kReadBytes);
  Bytes& bytes = scratch.bytes();
  std::size_t size = 0;
  const auto deliver = [&] {
    if (size > 0) plain(ByteView(bytes).first(size));
    size = 0;
  };
  const Call call(*this, in, out);
  while (!peer_closed_ && !failed_) {
    std::size_t got = 0;
    const int done = SSL_read_ex(ssl_.get(), bytes.data() + size, bytes.size() - size, &got);
    size += got;
    if (done == 1) {
      if (size == bytes.size()) deliver();
      continue;
    }
    const int why = SSL_get_error(ssl_.get(), done);
    if (why == SSL_ERROR_WANT_READ) break;
    if (why == SSL_ERROR_ZERO_RETURN && SSL_is_init_finished(ssl_.get()) == 1) {
      peer_closed_ = true;
      break;
    }
    Error error = fail();
    deliver();
    return error;
  }
  deliver();
  if (failed_) return *failed_;  // of what the sink encrypted
  return {};
}

Result<void> TlsStream::on_end() const {
  if (failed_) return *failed_;
  if (peer_closed_) return {};
  return Error(Errc::closed, is_established() ? "TLS: the peer has ended without close_notify"
                                              : "TLS: the peer has ended within the handshake");
}

Result<void> TlsStream::encrypt(std::span<const ByteView> plain, Bytes& out) {
  if (failed_) return *failed_;
  if (said_goodbye_) return Error(Errc::closed, "TLS: close_notify has been sent");
  if (!is_established()) return Error(Errc::unexpected, "TLS: the handshake is not done yet");
  Scratch scratch(Scratch::for_writing(), kRecordBytes);
  Bytes& record = scratch.bytes();
  std::size_t size = 0;
  const Call call(*this, {}, out);
  for (ByteView piece : plain) {
    while (!piece.empty()) {
      if (size == 0 && piece.size() >= kRecordBytes) {  // whole records need no copy
        if (auto wrote = write(piece.first(kRecordBytes)); !wrote) return wrote;
        piece = piece.subspan(kRecordBytes);
        continue;
      }
      const std::size_t taken = std::min(piece.size(), kRecordBytes - size);
      std::memcpy(record.data() + size, piece.data(), taken);
      size += taken;
      piece = piece.subspan(taken);
      if (size < kRecordBytes) continue;
      if (auto wrote = write(record); !wrote) return wrote;
      size = 0;
    }
  }
  return size == 0 ? Result<void>() : write(ByteView(record).first(size));
}

Result<void> TlsStream::write(ByteView plain) {
  if (++records_ > context_->records_per_key() && SSL_version(ssl_.get()) == TLS1_3_VERSION) {
    records_ = 1;
    if (SSL_key_update(ssl_.get(), SSL_KEY_UPDATE_NOT_REQUESTED) != 1) return fail();
  }
  std::size_t written = 0;
  if (SSL_write_ex(ssl_.get(), plain.data(), plain.size(), &written) == 1) return {};
  return fail();
}

void TlsStream::close_notify(Bytes& out) {
  if (failed_ || said_goodbye_ || !is_established()) return;
  said_goodbye_ = true;
  const Call call(*this, {}, out);
  SSL_shutdown(ssl_.get());
}

Error TlsStream::fail() {
  const std::string_view other = plain_protocol({first_.data(), first_size_});
  Error error = tls_error(*ssl_);
  if (!other.empty())
    error = {Errc::bad_frame,
             "TLS: the peer speaks plain " + std::string(other) + " to a TLS port"};
  failed_ = std::make_unique<const Error>(error);
  return error;
}

bool TlsStream::is_established() const { return !failed_ && SSL_is_init_finished(ssl_.get()) == 1; }

namespace {

std::optional<Certificate> verified_peer(const TlsStream& stream, const SSL& ssl) {
  if (!stream.is_established()) return std::nullopt;
  std::shared_ptr<X509> peer(SSL_get1_peer_certificate(&ssl), X509_free);
  if (!peer || SSL_get_verify_result(&ssl) != X509_V_OK) return std::nullopt;
  return Certificate(std::move(peer));
}

}  // namespace

std::string TlsStream::peer_uri() const {
  const auto peer = verified_peer(*this, *ssl_);
  return peer ? peer->spiffe_uri().value_or("") : "";
}

std::string TlsStream::peer_certificate_fingerprint() const {
  const auto peer = verified_peer(*this, *ssl_);
  return peer ? peer->fingerprint() : "";
}

std::string_view TlsStream::protocol() const { return SSL_get_version(ssl_.get()); }
std::string_view TlsStream::cipher() const {
  const char* name = SSL_get_cipher_name(ssl_.get());
  return name != nullptr ? name : "";
}

}  // namespace pannier::net
