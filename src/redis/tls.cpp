// TLS by OpenSSL.
#include "redis/tls.hpp"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <system_error>

#include "dlock/error.hpp"
#include "redis/openssl.hpp"

namespace dlock::redis {
namespace {

struct FreeContext {
  void operator()(SSL_CTX* context) const { openssl().SSL_CTX_free(context); }
};
struct FreeStream {
  void operator()(SSL* stream) const { openssl().SSL_free(stream); }
};
using Context = std::unique_ptr<SSL_CTX, FreeContext>;

// OpenSSL's own socket writes without MSG_NOSIGNAL: a server that went away would end the program
// by SIGPIPE.
int socket_of(BIO* bio) {
  return static_cast<int>(reinterpret_cast<std::intptr_t>(openssl().BIO_get_data(bio)));
}

bool is_later() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

int write_to_socket(BIO* bio, const char* from, int size) {
  openssl().BIO_clear_flags(bio, BIO_FLAGS_RWS | BIO_FLAGS_SHOULD_RETRY);
  const auto count = ::send(socket_of(bio), from, static_cast<std::size_t>(size), MSG_NOSIGNAL);
  if (count < 0 && is_later())
    openssl().BIO_set_flags(bio, BIO_FLAGS_WRITE | BIO_FLAGS_SHOULD_RETRY);
  return static_cast<int>(count);
}

int read_from_socket(BIO* bio, char* into, int size) {
  openssl().BIO_clear_flags(bio, BIO_FLAGS_RWS | BIO_FLAGS_SHOULD_RETRY);
  const auto count = ::recv(socket_of(bio), into, static_cast<std::size_t>(size), 0);
  if (count < 0 && is_later())
    openssl().BIO_set_flags(bio, BIO_FLAGS_READ | BIO_FLAGS_SHOULD_RETRY);
  return static_cast<int>(count);
}

long control_socket(BIO* /*bio*/, int command, long /*number*/, void* /*pointer*/) {
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

BIO_METHOD* socket_method() {
  static BIO_METHOD* const method = [] {
    BIO_METHOD* made =
        openssl().BIO_meth_new(openssl().BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket");
    if (made == nullptr) throw std::bad_alloc{};
    openssl().BIO_meth_set_write(made, write_to_socket);
    openssl().BIO_meth_set_read(made, read_from_socket);
    openssl().BIO_meth_set_ctrl(made, control_socket);
    return made;
  }();
  return method;
}

// The first error that OpenSSL reports.
std::string reason() {
  const auto error = openssl().ERR_get_error();
  if (error == 0) return errno != 0 ? std::generic_category().message(errno) : "unknown reason";
  if (ERR_SYSTEM_ERROR(error)) return std::generic_category().message(ERR_GET_REASON(error));
  const char* text = openssl().ERR_reason_error_string(error);
  return text != nullptr ? text : "error " + std::to_string(error);
}

[[noreturn]] void unusable(const std::string& what) {
  throw UsageError(errc::usage, what + " (" + reason() + ")");
}

// OpenSSL would otherwise ask at the terminal.
int no_passphrase(char* /*into*/, int /*size*/, int /*writes*/, void* /*data*/) { return 0; }

Context make_context(const Tls& tls) {
  openssl().ERR_clear_error();
  Context context{openssl().SSL_CTX_new(openssl().TLS_client_method())};
  if (context == nullptr) throw std::bad_alloc{};
  openssl().SSL_CTX_ctrl(context.get(), SSL_CTRL_SET_MIN_PROTO_VERSION, TLS1_2_VERSION, nullptr);
  openssl().SSL_CTX_set_options(context.get(),
                                SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
  openssl().SSL_CTX_ctrl(context.get(), SSL_CTRL_MODE,
                         SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER,
                         nullptr);
  openssl().SSL_CTX_set_default_passwd_cb(context.get(), no_passphrase);
  if (!tls.ca.empty()) {
    if (openssl().SSL_CTX_load_verify_locations(context.get(), tls.ca.c_str(), nullptr) != 1) {
      unusable("the CA file " + tls.ca + " cannot be used");
    }
  } else if (tls.verify) {
    openssl().SSL_CTX_set_default_verify_paths(context.get());
  }
  if (!tls.certificate.empty() &&
      openssl().SSL_CTX_use_certificate_chain_file(context.get(), tls.certificate.c_str()) != 1) {
    unusable("the client's certificate " + tls.certificate + " cannot be used");
  }
  if (!tls.key.empty() && openssl().SSL_CTX_use_PrivateKey_file(context.get(), tls.key.c_str(),
                                                                SSL_FILETYPE_PEM) != 1) {
    unusable("the client's key " + tls.key +
             " cannot be used; it must be PEM, have no passphrase, and belong to the "
             "certificate");
  }
  return context;
}

bool is_address(const std::string& host) {
  std::array<unsigned char, 16> address{};
  return ::inet_pton(AF_INET, host.c_str(), address.data()) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), address.data()) == 1;
}

void set_server_name(SSL* stream, const std::string& host) {
  auto name = host;
  openssl().SSL_ctrl(stream, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name.data());
}

// Sets the name that the certificate must have, and asks for it a server that has several.
void expect(SSL* stream, const Tls& tls, const std::string& host) {
  if (!is_address(host)) set_server_name(stream, host);
  if (!tls.verify) return;
  openssl().SSL_set_verify(stream, SSL_VERIFY_PEER, nullptr);
  auto* terms = openssl().SSL_get0_param(stream);
  const int taken = is_address(host)
                        ? openssl().X509_VERIFY_PARAM_set1_ip_asc(terms, host.c_str())
                        : openssl().X509_VERIFY_PARAM_set1_host(terms, host.c_str(), host.size());
  if (taken != 1) unusable("the server's certificate cannot be checked for the name " + host);
}

[[noreturn]] void throw_untrusted(long verdict, const std::string& host) {
  std::string what = "the server's certificate is not trusted: ";
  what += openssl().X509_verify_cert_error_string(verdict);
  switch (verdict) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      what += "; it is not for " + host +
              ". If it is for another name of this server, add ?name=NAME to the URL";
      break;
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
      what += "; renew it, or set the clock of this machine";
      break;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
      what += "; if you trust the authority that signed it, add ?ca=/path/ca.crt to the URL";
      break;
    default:
      break;
  }
  throw Refused(errc::refused, what);
}

// The server's alert says what it lacks.
[[noreturn]] void throw_failed(const std::string& why, bool has_certificate) {
  if (why.find("wrong version number") != std::string::npos ||
      why.find("packet length too long") != std::string::npos) {
    throw Unreachable(errc::unreachable,
                      "the server there does not speak TLS; use its TLS port, or redis://");
  }
  if (why.find("certificate required") != std::string::npos ||
      why.find("alert handshake failure") != std::string::npos) {
    throw Refused(errc::refused,
                  "the server refused the TLS handshake (" + why + ")" +
                      (has_certificate ? std::string{}
                                       : "; it may want a client certificate: add "
                                         "?cert=/path/client.crt&key=/path/client.key"));
  }
  if (why.find("alert") != std::string::npos) {
    throw Refused(errc::refused, "the server refused the TLS handshake (" + why + ")");
  }
  throw Unreachable(errc::unreachable, "the TLS handshake failed (" + why + ")");
}

}  // namespace

struct TlsStream::Impl {
  Context context;
  std::unique_ptr<SSL, FreeStream> stream;
  std::string problem;

  Outcome outcome_of(int result);
};

// The problem may be an alert that comes with the first read: TLS 1.3 refuses a client's
// certificate that way.
TlsStream::Outcome TlsStream::Impl::outcome_of(int result) {
  switch (openssl().SSL_get_error(stream.get(), result)) {
    case SSL_ERROR_NONE:
      return Outcome::done;
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
      return Outcome::later;
    case SSL_ERROR_ZERO_RETURN:
      return Outcome::ended;
    default:
      problem = "TLS: " + reason();
      return Outcome::broken;
  }
}

TlsStream::TlsStream(int fd, const Endpoint& endpoint, Deadline deadline)
    : impl_(std::make_unique<Impl>()) {
  const auto& tls = *endpoint.tls;
  const auto& host = tls.name.empty() ? endpoint.host : tls.name;
  impl_->context = make_context(tls);
  impl_->stream.reset(openssl().SSL_new(impl_->context.get()));
  BIO* bio = impl_->stream != nullptr ? openssl().BIO_new(socket_method()) : nullptr;
  if (bio == nullptr) throw std::bad_alloc{};
  openssl().BIO_set_data(bio, reinterpret_cast<void*>(static_cast<std::intptr_t>(fd)));
  openssl().BIO_set_init(bio, 1);
  SSL* stream = impl_->stream.get();
  openssl().SSL_set_bio(stream, bio, bio);
  expect(stream, tls, host);
  for (;;) {
    openssl().ERR_clear_error();
    errno = 0;
    const int result = openssl().SSL_connect(stream);
    if (result == 1) return;
    const int error = openssl().SSL_get_error(stream, result);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
      if (wait_for(fd, error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, deadline)) continue;
      throw Unreachable(errc::unreachable,
                        "the TLS handshake did not finish in time; check that the "
                        "URL has the server's TLS port");
    }
    const auto verdict = openssl().SSL_get_verify_result(stream);
    if (tls.verify && verdict != X509_V_OK) throw_untrusted(verdict, host);
    const bool ended = error == SSL_ERROR_ZERO_RETURN || (error == SSL_ERROR_SYSCALL && errno == 0);
    throw_failed(ended ? "the server closed the connection" : reason(), !tls.certificate.empty());
  }
}

TlsStream::~TlsStream() = default;

TlsStream::Outcome TlsStream::read(char* into, std::size_t size, std::size_t& count) {
  openssl().ERR_clear_error();
  errno = 0;
  return impl_->outcome_of(openssl().SSL_read_ex(impl_->stream.get(), into, size, &count));
}

TlsStream::Outcome TlsStream::write(const char* from, std::size_t size, std::size_t& count) {
  openssl().ERR_clear_error();
  errno = 0;
  return impl_->outcome_of(openssl().SSL_write_ex(impl_->stream.get(), from, size, &count));
}

const std::string& TlsStream::problem() const noexcept { return impl_->problem; }

}  // namespace dlock::redis
