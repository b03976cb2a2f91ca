# sippx/_core/linux.pxd: the socket, epoll and memory calls that Cython's libc declarations lack.
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef extern from *:
    """
    #ifndef SIPPX_LINUX
    #define SIPPX_LINUX
    #ifndef _GNU_SOURCE
    #define _GNU_SOURCE
    #endif
    #include <errno.h>
    #include <string.h>
    #include <unistd.h>
    #include <sys/types.h>
    #include <sys/socket.h>
    #include <sys/epoll.h>
    #include <sys/timerfd.h>
    #include <sys/mman.h>
    #include <sys/syscall.h>
    #include <netinet/in.h>
    #include <netinet/udp.h>
    #include <sys/uio.h>
    #include <linux/errqueue.h>
    #include <arpa/inet.h>
    #include <fcntl.h>
    #include <netdb.h>
    #include <time.h>
    #include <poll.h>
    #ifndef UDP_SEGMENT
    #define UDP_SEGMENT 103
    #endif
    #ifndef UDP_GRO
    #define UDP_GRO 104
    #endif
    #ifndef SO_MEMINFO
    #define SO_MEMINFO 55
    #endif
    #ifndef SOL_UDP
    #define SOL_UDP 17
    #endif
    #ifndef IP_BIND_ADDRESS_NO_PORT
    #define IP_BIND_ADDRESS_NO_PORT 24
    #endif
    #endif
    """
    ctypedef uint32_t socklen_t
    ctypedef long ssize_t

    struct in_addr:
        uint32_t s_addr
    struct in6_addr:
        uint8_t s6_addr[16]
    struct sockaddr:
        pass
    struct sockaddr_in:
        uint16_t sin_family
        uint16_t sin_port
        in_addr sin_addr
    struct sockaddr_in6:
        uint16_t sin6_family
        uint16_t sin6_port
        uint32_t sin6_flowinfo
        in6_addr sin6_addr
        uint32_t sin6_scope_id
    struct sockaddr_storage:
        uint16_t ss_family

    struct iovec:
        void* iov_base
        size_t iov_len
    struct msghdr:
        void* msg_name
        socklen_t msg_namelen
        iovec* msg_iov
        size_t msg_iovlen
        void* msg_control
        size_t msg_controllen
        int msg_flags
    struct linger:
        int l_onoff
        int l_linger
    struct mmsghdr:
        msghdr msg_hdr
        unsigned int msg_len
    struct cmsghdr:
        size_t cmsg_len
        int cmsg_level
        int cmsg_type
    struct sock_extended_err:
        uint32_t ee_errno
        uint8_t ee_origin
    union epoll_data_t:
        uint64_t u64
        int fd
    struct epoll_event:
        uint32_t events
        epoll_data_t data
    struct timespec:
        long tv_sec
        long tv_nsec
    struct itimerspec:
        timespec it_interval
        timespec it_value

    int AF_INET, AF_INET6, SOCK_DGRAM, SOL_SOCKET, SOL_UDP, IPPROTO_IP, IPPROTO_IPV6
    int SOCK_STREAM, SOCK_NONBLOCK, SOCK_CLOEXEC, IPPROTO_TCP, IPPROTO_SCTP, SHUT_WR
    int UDP_SEGMENT, UDP_GRO, SO_RXQ_OVFL, IP_RECVERR, IPV6_RECVERR
    int SO_ERROR, SO_LINGER, SO_REUSEADDR, IP_BIND_ADDRESS_NO_PORT
    int MSG_DONTWAIT, MSG_ERRQUEUE, MSG_TRUNC, MSG_NOSIGNAL, MSG_EOR
    int EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP, EPOLLRDHUP, EPOLLET
    int EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD, EPOLL_CLOEXEC
    int CLOCK_MONOTONIC, TFD_TIMER_ABSTIME, TFD_NONBLOCK, TFD_CLOEXEC
    int EAGAIN, EBADF, EWOULDBLOCK, EINTR, EIO, EINVAL, EMSGSIZE, ENOBUFS, ENOMEM, ENOSYS, ECONNREFUSED, EPERM
    int EOPNOTSUPP, ENOPROTOOPT, EADDRINUSE, EADDRNOTAVAIL, ECONNRESET, EINPROGRESS, EPIPE, ETIMEDOUT, EMFILE, ENFILE
    int PROT_READ, PROT_WRITE, MAP_PRIVATE, MAP_ANONYMOUS, MAP_NORESERVE, MADV_HUGEPAGE, MADV_DONTNEED
    void* MAP_FAILED

    int SO_MEMINFO
    int getsockopt(int fd, int level, int name, void* value, socklen_t* size) nogil
    int setsockopt(int fd, int level, int name, const void* value, socklen_t size) nogil
    ssize_t sendmsg(int fd, const msghdr* msg, int flags) nogil
    ssize_t recvmsg(int fd, msghdr* msg, int flags) nogil
    int sendmmsg(int fd, mmsghdr* msgs, unsigned int n, int flags) nogil
    int recvmmsg(int fd, mmsghdr* msgs, unsigned int n, int flags, timespec* timeout) nogil
    cmsghdr* CMSG_FIRSTHDR(msghdr* msg) nogil
    cmsghdr* CMSG_NXTHDR(msghdr* msg, cmsghdr* cmsg) nogil
    unsigned char* CMSG_DATA(cmsghdr* cmsg) nogil
    size_t CMSG_LEN(size_t n) nogil
    size_t CMSG_SPACE(size_t n) nogil
    int socket(int family, int type, int protocol) nogil
    int bind(int fd, const sockaddr* name, socklen_t size) nogil
    int connect(int fd, const sockaddr* name, socklen_t size) nogil
    int accept4(int fd, sockaddr* name, socklen_t* size, int flags) nogil
    int getsockname(int fd, sockaddr* name, socklen_t* size) nogil
    int shutdown(int fd, int how) nogil
    ssize_t recv(int fd, void* out, size_t n, int flags) nogil
    ssize_t send(int fd, const void* data, size_t n, int flags) nogil
    int epoll_create1(int flags) nogil
    int epoll_ctl(int epfd, int op, int fd, epoll_event* event) nogil
    int epoll_wait(int epfd, epoll_event* events, int n, int timeout_ms) nogil
    int timerfd_create(int clock, int flags) nogil
    int timerfd_settime(int fd, int flags, const itimerspec* value, itimerspec* old) nogil
    int close(int fd) nogil
    int O_RDONLY, O_CLOEXEC, O_NONBLOCK
    int open_file "open"(const char* path, int flags) nogil
    ssize_t read(int fd, void* out, size_t n) nogil
    struct addrinfo:
        int ai_flags
        int ai_family
        int ai_socktype
        socklen_t ai_addrlen
        sockaddr* ai_addr
    int getaddrinfo(const char* node, const char* service, const addrinfo* hints, addrinfo** found) nogil
    void freeaddrinfo(addrinfo* found) nogil
    void* mmap(void* addr, size_t n, int prot, int flags, int fd, long off) nogil
    int munmap(void* addr, size_t n) nogil
    int madvise(void* addr, size_t n, int advice) nogil
