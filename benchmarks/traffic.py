"""Sends the benchmarked requests through Django's own WSGI handler, in this process."""

from django.core.wsgi import get_wsgi_application
from django.test import RequestFactory

from benchmarks import receivers
from benchmarks.models import Customer, Line, Order, Product

PRODUCT_COUNT = 30


def fill():
    """Make the rows that the requests need."""
    customer = Customer.objects.create(name="customer")
    products = Product.objects.bulk_create(
        Product(name=f"product {number}") for number in range(PRODUCT_COUNT)
    )
    order = Order.objects.create(customer=customer)
    Line.objects.bulk_create(Line(order=order, product=product) for product in products)


def make_requests(kind, path=None):
    """
    Connect the receivers of a kind of requests; return a function that sends so many.

    kind: heavy, reading or light, as in urls.py; path: the kind's own unless given.
    """
    getattr(receivers, f"connect_{kind}")()
    application = get_wsgi_application()
    factory = RequestFactory()
    path = path or f"/{kind}/"

    def start_response(status, headers, exc_info=None):
        assert status == "200 OK", status

    def requests(number=1):
        for _ in range(number):
            environ = factory._base_environ(
                PATH_INFO=path, QUERY_STRING="", REQUEST_METHOD="GET", REMOTE_ADDR="127.0.0.1"
            )
            response = application(environ, start_response)
            for _part in response:
                pass
            response.close()

    return requests
