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
    // What waits no longer is not noted as waiting.
    (
        "asyncio/tasks.py",
        "            f.remove_done_callback(_on_completion)

    done, pending = set(), set()
",
        "            f.remove_done_callback(_on_completion)
            futures.future_discard_from_awaited_by(f, cur_task)

    done, pending = set(), set()
",
    ),
    (
        "asyncio/tasks.py",
        "    fut.add_done_callback(cb)

    try:
        fut.cancel()
",
        "    fut.add_done_callback(cb)
    me = current_task(loop)
    futures.future_add_to_awaited_by(fut, me)

    try:
        fut.cancel()
",
    ),
    (
        "asyncio/tasks.py",
        "        await waiter
    finally:
        fut.remove_done_callback(cb)
",
        "        await waiter
    finally:
        futures.future_discard_from_awaited_by(fut, me)
        fut.remove_done_callback(cb)
",
    ),
    (
        "asyncio/tasks.py",
        "        for f in todo:
            f.add_done_callback(self._handle_completion)
",
        "        self._waits = current_task(loop)
        for f in todo:
            f.add_done_callback(self._handle_completion)
            futures.future_add_to_awaited_by(f, self._waits)
",
    ),
    (
        "asyncio/tasks.py",
        "            f.remove_done_callback(self._handle_completion)
            self._done.put_nowait(None)",
        "            f.remove_done_callback(self._handle_completion)
            futures.future_discard_from_awaited_by(f, self._waits)
            self._done.put_nowait(None)",
    ),
    (
        "asyncio/tasks.py",
        "        self._todo.remove(f)
        self._done.put_nowait(f)
",
        "        self._todo.remove(f)
        futures.future_discard_from_awaited_by(f, self._waits)
        self._done.put_nowait(f)
",
    ),
    // Who is cancelled while it waits has taken nothing.
    (
        "asyncio/tasks.py",
        "        f = await self._done.get()
",
        "        f = self
        try:
            f = await self._done.get()
        finally:
            self._todo_left += f is self
",
    ),
    // An exception behind a shield is told of when nobody can ask for it any more, as any other.
    (
        "asyncio/tasks.py",
        "def _log_on_exception(fut):
    if fut.cancelled():
        return

    exc = fut.exception()
    if exc is None:
        return

    context = {
        'message':
        f'{exc.__class__.__name__} exception in shielded future',
        'exception': exc,
        'future': fut,
    }
    if fut._source_traceback:
        context['source_traceback'] = fut._source_traceback
    fut._loop.call_exception_handler(context)


",
        "",
    ),
    (
        "asyncio/tasks.py",
        "            # Keep only one callback to log on cancel
            inner.remove_done_callback(_log_on_exception)
            inner.add_done_callback(_log_on_exception)
",
        "            if cur_task is not None:
                _clear_awaited_by_callback(inner)
                inner.remove_done_callback(_clear_awaited_by_callback)
",
    ),
    (
        "asyncio/tasks.py",
        "                exc = fut._make_cancelled_error()
                outer.set_exception(exc)
                return
",
        "                exc = fut._make_cancelled_error()
                outer.set_exception(exc)
                for child in children:
                    futures.future_discard_from_awaited_by(child, cur_task)
                return
",
    ),
    (
        "asyncio/tasks.py",
        "                if exc is not None:
                    outer.set_exception(exc)
                    return
",
        "                if exc is not None:
                    outer.set_exception(exc)
                    for child in children:
                        futures.future_discard_from_awaited_by(child, cur_task)
                    return
",
    ),
    // A coroutine that has ended has no frame; a plain generator's frame is not where a task begins.
    (
        "asyncio/graph.py",
        "            st.append(FrameCallGraphEntry(coro.cr_frame))
            coro = coro.cr_await
",
        "            if (frame := coro.cr_frame) is not None:
                st.append(FrameCallGraphEntry(frame))
            coro = coro.cr_await
",
    ),
    (
        "asyncio/graph.py",
        "            is_async = f.f_generator is not None
",
        "            is_async = not isinstance(f.f_generator, types.NoneType | types.GeneratorType)
",
    ),
    // Nothing is done for who has been cancelled, and nothing twice.
    (
        "asyncio/selector_events.py",
        "    def _sock_accept(self, fut, sock):
",
        "    def _sock_accept(self, fut, sock):
        if fut.done():
            return
",
    ),
    (
        "asyncio/selector_events.py",
        "                if self._closing:
                    self._call_connection_lost(None)
",
        "                if self._closing:
                    if not self._conn_lost:
                        self._conn_lost = 1
                        self._call_connection_lost(None)
",
    ),
    // Who waits for a process waits until that has ended, whoever has its pipes.
    (
        "asyncio/base_subprocess.py",
        "        self._call(self._protocol.process_exited)

        self._try_finish()
",
        "        self._call(self._protocol.process_exited)
        # A child of its own may keep the pipes open for long.
        for waiter in self._exit_waiters:
            if not waiter.done():
                waiter.set_result(returncode)

        self._try_finish()
",
    ),
    (
        "asyncio/unix_events.py",
        "        self.call_soon_threadsafe(transp._process_exited, returncode)
",
        "        transp._process_exited(returncode)
",
    ),
    (
        "asyncio/unix_events.py",
        "        try:
            _, status = os.waitpid(pid, 0)
        except ChildProcessError:
            # The child process is already reaped
            # (may happen if waitpid() is called elsewhere).
            returncode = 255
            logger.warning(
                \"child process pid %d exit status already read: \"
                \" will report returncode 255\",
                pid)
        else:
            returncode = waitstatus_to_exitcode(status)

        os.close(pidfd)
",
        "        try:
            _, status = os.waitpid(pid, 0)
            returncode = waitstatus_to_exitcode(status)
        except ChildProcessError:
            # Somebody else has waited for it.
            returncode = 255
            logger.warning(
                \"child process pid %d exit status already read: \"
                \" will report returncode 255\",
                pid)
        finally:
            os.close(pidfd)
",
    ),
    (
        "asyncio/unix_events.py",
        "    def _do_waitpid(self, loop, expected_pid, callback, args):
        assert expected_pid > 0

",
        "    def _do_waitpid(self, loop, expected_pid, callback, args):
        assert expected_pid > 0
        try:
            os.waitid(os.P_PID, expected_pid, os.WEXITED | os.WNOWAIT)
        except ChildProcessError:
            pass
        # Its number stays taken until the loop's thread has heard of its end.
        try:
            loop.call_soon_threadsafe(self._reap, loop, expected_pid, callback, args)
        except RuntimeError:
            self._reap(loop, expected_pid, None, args)
        self._threads.pop(expected_pid)

    def _reap(self, loop, expected_pid, callback, args):
",
    ),
    (
        "asyncio/unix_events.py",
        "        if loop.is_closed():
            logger.warning(\"Loop %r that handles pid %r is closed\", loop, pid)
        else:
            loop.call_soon_threadsafe(callback, pid, returncode, *args)

        self._threads.pop(expected_pid)
",
        "        if callback is None:
            logger.warning(\"Loop %r that handles pid %r is closed\", loop, pid)
        else:
            callback(pid, returncode, *args)
",
    ),
    // A callback that fails at once fails as one that is a coroutine.
    (
        "asyncio/streams.py",
        "            res = self._client_connected_cb(reader, writer)
            if coroutines",
        "            try:
                res = self._client_connected_cb(reader, writer)
            except Exception as exc:
                self._strong_reader = None
                transport.close()
                self._loop.call_exception_handler({
                    'transport': transport,
                    'exception': exc,
                    'message': 'Unhandled exception in client_connected_cb',
                })
                return
            if coroutines",
    ),
    (
        "asyncio/base_events.py",
        "            try:
                self.close()
                await self.wait_closed()
            finally:
                raise
",
        "            try:
                self.close()
                self.close_clients()
                await self.wait_closed()
            finally:
                raise
",
    ),
    (
        "asyncio/streams.py",
        "        loop = self._loop
        self._transport = transport
",
        "        if (reader := self._stream_reader) is not None:
            reader._transport = transport
        self._transport = transport
",
    ),
];
