"""Print whatever might show that somebody stands in front of a method.

Run by test_python_hooks.py with and without the recorder; both must print the
same. It is also the main module of its own children, so everything is done in
them again.
"""
import asyncio
import cProfile
import gc
import inspect
import multiprocessing
import pstats
import sys
import threading
import traceback
import warnings

warnings.simplefilter("ignore")


def say(*words):
    print(*words, flush=True)


def stack():
    traceback.print_stack(file=sys.stdout)


def depth(n=0):
    """How deep one can go from here."""
    try:
        return depth(n + 1)
    except RecursionError:
        return n


def run(coro, **how):
    async def patient():
        # whether a callback is slow depends on the machine
        asyncio.get_running_loop().slow_callback_duration = 1000
        return await coro
    return asyncio.run(patient(), **how)


events = []


def note_profile(frame, event, arg):
    events.append((event, frame.f_code.co_name, getattr(
        arg, "__name__", None) if event.startswith("c_") else None))


def note_trace(frame, event, _):
    events.append((event, frame.f_code.co_name, frame.f_lineno))
    return note_trace


def in_thread(target):
    thread = threading.Thread(target=target)
    thread.start()
    thread.join()


def threads():
    def fails():
        stack()
        raise RuntimeError("a thread fails")

    in_thread(fails)
    in_thread(lambda: say("depth", depth()))
    threading.setprofile(note_profile)
    in_thread(lambda: len("x"))
    threading.setprofile(None)
    threading.settrace(note_trace)
    in_thread(lambda: len("x"))
    threading.settrace(None)
    say(events)
    events.clear()


async def fails():
    stack()
    await asyncio.sleep(0)
    stack()
    return 1 // 0


async def lonely():
    raise KeyError("nobody asks")


async def deep():
    return depth()


def bad():
    stack()
    raise LookupError("a callback fails")


async def tasks():
    say("depth", depth(), await asyncio.create_task(deep()))
    task = asyncio.create_task(fails())
    say(task, task._callbacks, sorted(vars(task)) if hasattr(
        task, "__dict__") else None)
    try:
        await task
    except ZeroDivisionError:
        traceback.print_exc(file=sys.stdout)
    task.print_stack(file=sys.stdout)
    task = asyncio.create_task(lonely())
    await asyncio.sleep(0.01)
    del task
    gc.collect()
    task = asyncio.create_task(asyncio.sleep(100))
    await asyncio.sleep(0)
    task.print_stack(file=sys.stdout)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        traceback.print_exc(file=sys.stdout)
    asyncio.get_running_loop().call_soon(bad)
    await asyncio.sleep(0.01)
    sys.setprofile(note_profile)
    await asyncio.create_task(asyncio.sleep(0))
    sys.setprofile(None)
    say(events)
    events.clear()


async def eager():
    loop = asyncio.get_running_loop()
    loop.set_task_factory(asyncio.eager_task_factory)
    task = asyncio.create_task(lonely())
    say(task.done())
    try:
        await task
    except KeyError:
        traceback.print_exc(file=sys.stdout)
    say(await asyncio.create_task(deep()))


def left_behind():
    async def leave():
        asyncio.get_running_loop().create_task(asyncio.sleep(1000))

    loop = asyncio.new_event_loop()
    loop.slow_callback_duration = 1000
    loop.run_until_complete(leave())
    loop.close()
    del loop
    gc.collect()
    loop = asyncio.new_event_loop()
    loop.create_task(lonely())
    loop.close()
    say("closed")
    del loop
    gc.collect()
    say("collected")


def methods():
    loop = asyncio.new_event_loop()
    for method in (threading.Thread._set_native_id,
                   asyncio.BaseEventLoop.create_task, loop.create_task,
                   asyncio.Handle._run,
                   multiprocessing.process.BaseProcess._bootstrap):
        say(inspect.signature(method), method.__name__, method.__qualname__,
            method.__module__, method.__doc__, inspect.getsource(method),
            inspect.isfunction(method), inspect.ismethod(method), method)
    for wrong in (lambda: loop.create_task(), lambda: loop.create_task(5),
                  lambda: loop.create_task(5, 6, 7),
                  lambda: loop.create_task(coro=5, name="x", bogus=1),
                  lambda: threading.Thread._set_native_id(),
                  lambda: threading.Thread._set_native_id(1),
                  lambda: asyncio.Handle._run(None)):
        try:
            wrong()
        except Exception:  # pylint: disable=broad-except
            traceback.print_exc(file=sys.stdout)
    loop.close()


def child():
    stack()
    say("depth", depth())
    raise OSError(2, "a child fails")


def profiled():
    profile = cProfile.Profile()
    profile.enable()
    asyncio.run(asyncio.sleep(0))
    profile.disable()
    say(sorted((name, count[0], line) for (_, line, name), count in
               pstats.Stats(profile).stats.items()))


def main():
    threads()
    run(tasks())
    run(tasks(), debug=True)
    if sys.version_info >= (3, 12):
        run(eager())
    left_behind()
    methods()
    profiled()
    for how in multiprocessing.get_all_start_methods():
        process = multiprocessing.get_context(how).Process(target=child)
        process.start()
        process.join()
        say(process.exitcode)
    run(lonely())


if __name__ == "__main__":
    main()
