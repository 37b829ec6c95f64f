//! Changes that the packed library has against the one of the crate it comes from: names of the implementation, and mends of
//! errors that later 3.14 releases of the library have mended too.

/// Small changes to the library: a file, a text in it, and what stands there instead. The first name the implementation;
/// the last are mends that CPython 3.14.7 has.
pub const CHANGED: &[(&str, &str, &str)] = &[
    ("site.py", "return 'RustPython'", "return 'Weft'"),
    ("site.py", "lib/rustpython{", "lib/weft{"),
    (
        "sysconfig/__init__.py",
        "return 'RustPython'",
        "return 'Weft'",
    ),
    (
        "sysconfig/__init__.py",
        "f'_sysconfigdata_{sys.abiflags}_{sys.platform}_{multiarch}'",
        "'_weft_sysconfigdata'",
    ),
    // The tools look into other processes, which takes `_remote_debugging`; the prompt does not.
    ("asyncio/__main__.py", "import asyncio.tools\n", ""),
    (
        "asyncio/__main__.py",
        "asyncio.tools.",
        "__import__('asyncio.tools').tools.",
    ),
    (
        "platform.py",
        "if \"RustPython\" in sys_version",
        "if \"weft\" in sys_version",
    ),
    ("platform.py", "name = \"RustPython\"", "name = \"Weft\""),
    // What they look for among the instructions of `dis`.
    (
        "pdb.py",
        "if prev is not None and prev.opname == 'RESUME':",
        "if instr.opname not in ('COPY_FREE', 'MAKE_CELL', 'RETURN_GENERATOR'):",
    ),
    (
        "inspect.py",
        "if opname == \"LOAD_ATTR\":",
        "if opname in (\"GET_ATTR\", \"LOAD_METHOD\"):",
    ),
    (
        "_py_abc.py",
        "subclass = instance.__class__\n",
        "subclass = getattr(instance, '__class__', type(instance))\n",
    ),
    (
        "_pyio.py",
        "n = min(n, size)",
        "n = min(n, size - len(res))",
    ),
    (
        "annotationlib.py",
        "        if value.__module__ == \"builtins\":\n",
        "        module = value.__module__
        if module is None and (owner := getattr(value, '__self__', None)) is not None:
            # A method of a built-in object has no module of its own.
            module = (owner if isinstance(owner, type) else type(owner)).__module__
        if module is None or module == \"builtins\":\n",
    ),
    (
        "annotationlib.py",
        "return f\"{value.__module__}.{value.__qualname__}\"",
        "return f\"{module}.{value.__qualname__}\"",
    ),
    (
        "_py_warnings.py",
        "            if self._record:\n                if _use_context:\n",
        "            self._showwarning = self._module.showwarning
            if self._record:
                # What is recorded does not go through a function of the program's.
                self._module.showwarning = self._module._showwarning_orig
                if _use_context:\n",
    ),
    (
        "_py_warnings.py",
        "                self._module._showwarnmsg_impl = self._showwarnmsg_impl\n",
        "                self._module._showwarnmsg_impl = self._showwarnmsg_impl
            self._module.showwarning = self._showwarning\n",
    ),
    (
        "threading.py",
        "                if timeout > 0:\n                    gotit = waiter.acquire(True, timeout)",
        "                if not timeout <= 0:  # also NaN, which acquire() refuses
                    gotit = waiter.acquire(True, timeout)",
    ),
    (
        "queue.py",
        "        if timeout is not None and timeout < 0:
            raise ValueError(\"'timeout' must be a non-negative number\")
        if not self._count",
        "        if not block:
            timeout = None
        if timeout is not None and timeout < 0:
            raise ValueError(\"'timeout' must be a non-negative number\")
        if not self._count",
    ),
    // Nothing is ever sent of an empty chunk, and so it would stay.
    (
        "asyncio/selector_events.py",
        "self._buffer.extend([memoryview(data) for data in list_of_data])",
        "self._buffer.extend(filter(len, map(memoryview, list_of_data)))
        if not self._buffer:
            return",
    ),
    (
        "asyncio/base_events.py",
        "        protocol = protocol_factory()
        waiter = self.create_future()
        if ssl:
            sslcontext = None if isinstance(ssl, bool) else ssl
            transport = self._make_ssl_transport(
                sock, protocol, sslcontext, waiter,
                server_side=server_side, server_hostname=server_hostname,
                ssl_handshake_timeout=ssl_handshake_timeout,
                ssl_shutdown_timeout=ssl_shutdown_timeout)
        else:
            transport = self._make_socket_transport(sock, protocol, waiter)
",
        "        transport = None
        try:
            protocol = protocol_factory()
            waiter = self.create_future()
            if ssl:
                transport = self._make_ssl_transport(
                    sock, protocol, None if isinstance(ssl, bool) else ssl, waiter,
                    server_side=server_side, server_hostname=server_hostname,
                    ssl_handshake_timeout=ssl_handshake_timeout,
                    ssl_shutdown_timeout=ssl_shutdown_timeout)
            else:
                transport = self._make_socket_transport(sock, protocol, waiter)
        finally:
            if transport is None:
                sock.close()
",
    ),
];
