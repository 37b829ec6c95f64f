"""Calls of all kinds: keyword arguments, class methods, lists of derived classes; and sites that see objects of many kinds."""
import enum
import random

from _checks import run, same


def case_keywords():
    lines = []

    def print(*a):
        lines.append(" ".join(map(str, a)))

    def f(a,b=2,/,c=3,*args,d,e=5,**kw): return (a,b,c,args,d,e,kw)
    print(f(1,d=4), f(1,2,3,4,5,d=6), f(1,c=9,d=1,z=3,a=7), f(1,2,d=0,e=0,b=8))
    def g(a,b,c=1): return a,b,c
    print(g(1,b=2), g(b=2,a=1), g(c=5,a=1,b=2), g(*(1,),**{'b':3}))
    def h(x,*,k=1,l): return x,k,l
    print(h(1,l=2), h(x=3,l=4,k=5))
    for call in ['g(1,a=2,b=3)','g(1,z=2)','g(1)','g(c=1)','g(1,2,3,4)','h(1)','h(1,2,l=3)','f()','f(1)','f(a=1,d=2)','g(b=1)','h(l=1)','g(**{1:2})','g(1,2,**{"c":1,"a":3})']:
        try: print(eval(call))
        except TypeError as e: print(call,e)
    def p(a,b,/): pass
    try: p(a=1,b=2)
    except TypeError as e: print(e)
    class S(str): pass
    print(f(1,**{S('d'):1,'q':2}), (lambda **k:k)(**{''.join(['a','b']):1}))
    def star(*a,k=3,**kw): return a,k,kw
    print(star(), star(1,2), star(k=1), star(1,z=2,k=9))
    same(lines, [
        "(1, 2, 3, (), 4, 5, {}) (1, 2, 3, (4, 5), 6, 5, {}) (1, 2, 9, (), 1, 5, {'z': 3, 'a': 7}) (1, 2, 3, (), 0, 0, {'b': 8})",
        '(1, 2, 1) (1, 2, 1) (1, 2, 5) (1, 3, 1)',
        '(1, 1, 2) (3, 5, 4)',
        "g(1,a=2,b=3) case_keywords.<locals>.g() got multiple values for argument 'a'",
        "g(1,z=2) case_keywords.<locals>.g() got an unexpected keyword argument 'z'",
        "g(1) case_keywords.<locals>.g() missing 1 required positional argument: 'b'",
        "g(c=1) case_keywords.<locals>.g() missing 2 required positional arguments: 'a' and 'b'",
        'g(1,2,3,4) case_keywords.<locals>.g() takes from 2 to 3 positional arguments but 4 were given',
        "h(1) case_keywords.<locals>.h() missing 1 required keyword-only argument: 'l'",
        'h(1,2,l=3) case_keywords.<locals>.h() takes 1 positional argument but 2 positional arguments (and 1 keyword-only argument) were given',
        "f() case_keywords.<locals>.f() missing 1 required positional argument: 'a'",
        "f(1) case_keywords.<locals>.f() missing 1 required keyword-only argument: 'd'",
        "f(a=1,d=2) case_keywords.<locals>.f() missing 1 required positional argument: 'a'",
        "g(b=1) case_keywords.<locals>.g() missing 1 required positional argument: 'a'",
        "h(l=1) case_keywords.<locals>.h() missing 1 required positional argument: 'x'",
        'g(**{1:2}) keywords must be strings',
        'g(1,2,**{"c":1,"a":3}) case_keywords.<locals>.g() got multiple values for argument \'a\'',
        "case_keywords.<locals>.p() got some positional-only arguments passed as keyword arguments: 'a, b'",
        "(1, 2, 3, (), 1, 5, {'q': 2}) {'ab': 1}",
        "((), 3, {}) ((1, 2), 3, {}) ((), 1, {}) ((1,), 9, {'z': 2})",
    ])


def case_class_methods():
    lines = []

    def print(*a):
        lines.append(" ".join(map(str, a)))

    class M(type):
        def mm(cls): return ('mm', cls.__name__)
    class A(metaclass=M):
        @classmethod
        def c(cls, *a): return (cls.__name__, a)
        @staticmethod
        def s(*a): return a
        def m(self, *a): return a
    class B(A): pass
    def run(x, i):
        return x.c(i), x.s(i), x.c(), x.s()
    for k in range(3):
        for x in (A, B, A(), B(), A):
            print(run(x, k))
        print(A.m(1, 2), B.mm(), int.from_bytes(b'a'), str.upper('x'), dict.fromkeys('ab'))
    a = A(); a.c = lambda *x: ('own', x)
    print(run(a, 1)); print(run(A(), 1))
    def call(): return A.c(1), A.s(2), A.m(3, 4)
    print(call()); print(call())
    A.c = staticmethod(lambda *x: 'st'); print(call())
    A.c = lambda *x: 'fn'; print(call()); print(run(B(), 3))
    M.c = property(lambda cls: lambda *x: 'meta'); print(call())
    class Cm(classmethod):
        def __get__(self, o, c): return lambda *a: 'mine'
    class D:
        c = Cm(lambda *a: 0); s = staticmethod(len)
    def e(): return D.c(1), D.s('abc'), D().c(), D().s([1])
    print(e()); print(e())
    def u():
        try: zz.c()
        except UnboundLocalError as x: print(x)
        zz = A
    u(); u()
    class E(enum.Enum):
        P = 1
        Q = 2
    def en(): return E.P, E.Q.value, E(2), E['P'], E.P.name
    print(en()); print(en())
    same(lines, [
        "(('A', (0,)), (0,), ('A', ()), ())",
        "(('B', (0,)), (0,), ('B', ()), ())",
        "(('A', (0,)), (0,), ('A', ()), ())",
        "(('B', (0,)), (0,), ('B', ()), ())",
        "(('A', (0,)), (0,), ('A', ()), ())",
        "(2,) ('mm', 'B') 97 X {'a': None, 'b': None}",
        "(('A', (1,)), (1,), ('A', ()), ())",
        "(('B', (1,)), (1,), ('B', ()), ())",
        "(('A', (1,)), (1,), ('A', ()), ())",
        "(('B', (1,)), (1,), ('B', ()), ())",
        "(('A', (1,)), (1,), ('A', ()), ())",
        "(2,) ('mm', 'B') 97 X {'a': None, 'b': None}",
        "(('A', (2,)), (2,), ('A', ()), ())",
        "(('B', (2,)), (2,), ('B', ()), ())",
        "(('A', (2,)), (2,), ('A', ()), ())",
        "(('B', (2,)), (2,), ('B', ()), ())",
        "(('A', (2,)), (2,), ('A', ()), ())",
        "(2,) ('mm', 'B') 97 X {'a': None, 'b': None}",
        "(('own', (1,)), (1,), ('own', ()), ())",
        "(('A', (1,)), (1,), ('A', ()), ())",
        "(('A', (1,)), (2,), (4,))",
        "(('A', (1,)), (2,), (4,))",
        "('st', (2,), (4,))",
        "('fn', (2,), (4,))",
        "('fn', (3,), 'fn', ())",
        "('meta', (2,), (4,))",
        "('mine', 3, 'mine', 1)",
        "('mine', 3, 'mine', 1)",
        "cannot access local variable 'zz' where it is not associated with a value",
        "cannot access local variable 'zz' where it is not associated with a value",
        "(<E.P: 1>, 2, <E.Q: 2>, <E.P: 1>, 'P')",
        "(<E.P: 1>, 2, <E.Q: 2>, <E.P: 1>, 'P')",
    ])


def case_derived_lists():
    lines = []

    def print(*a):
        lines.append(" ".join(map(str, a)))

    class L(list): pass
    class I(list):
        def __iter__(self): return iter('ab')
    class G(list):
        def __getitem__(self, i): return 'no'
    print([x for x in L([1,2,3])], [x for x in I([1])], [x for x in G([1,2])])
    for x in L([1,2]): print(x)
    l=L(range(3))
    for x in l:
        if x==0: l.append(9)
        print(x)
    print(list(x for x in l), sum(x for x in L([1,2])))
    def g():
        yield from l
    print(list(g()))
    a,*b=l; print(a,b)
    it=iter(l); print(type(it).__name__, next(it))
    same(lines, [
        "[1, 2, 3] ['a', 'b'] [1, 2]",
        '1',
        '2',
        '0',
        '1',
        '2',
        '9',
        '[0, 1, 2, 9] 3',
        '[0, 1, 2, 9]',
        '0 [1, 2, 9]',
        'list_iterator 0',
    ])


def case_sites():
    # A place in the code that has learnt the layout of an instance must not take anything else for one.
    class A:
        def __init__(self, n):
            for k in range(n):
                setattr(self, "a%d" % k, [k])

    class T(tuple):
        pass

    class S(str):
        pass

    def get(x):
        try:
            return x.a0, x.real, x.upper
        except AttributeError:
            return None

    def put(x):
        try:
            x.a0 = [1]
        except (AttributeError, TypeError):
            pass

    objs = [A(n) for n in range(1, 40)] + [tuple(range(n)) for n in range(200)] + [T(range(n)) for n in range(40)]
    objs += ["x" * n for n in range(900)] + [S("x" * n) for n in range(20)] + [b"x" * n for n in range(900)]
    objs += [int, str, "abc", 3, 2.5, {}, []]
    r = random.Random(1)
    for _ in range(8000):
        x = r.choice(objs)
        get(x)
        put(x)
    for x in objs:
        if type(x) is tuple:
            same(x, tuple(range(len(x))))
        elif type(x) is str and x != "abc":
            same(x, "x" * len(x))
        elif type(x) is bytes:
            same(x, b"x" * len(x))


run(globals())
