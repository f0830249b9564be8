"""The service as zeep knows it from the description, and what is judged of each answer to it."""

import requests
import zeep
from lxml import etree
from zeep.plugins import HistoryPlugin
from zeep.transports import Transport

import judging

BINDING = "{http://schemas.microsoft.com/exchange/services/2006/messages}ExchangeServiceBinding"
MESSAGES = "http://schemas.microsoft.com/exchange/services/2006/messages"
TYPES = "http://schemas.microsoft.com/exchange/services/2006/types"
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
XML_NAMESPACE_SCHEMA = "://www.w3.org/2001/xml.xsd"


class LocalTransport(Transport):
    """Takes the schema of the xml namespace from beside the others: no judge needs the Internet."""

    def __init__(self, schema, session):
        super().__init__(session=session)
        self.xml_namespace = schema / "xml.xsd"

    def load(self, url):
        if url.endswith(XML_NAMESPACE_SCHEMA):
            return self.xml_namespace.read_bytes()
        return super().load(url)


class Service:
    """Calls operations as an account; what goes out and comes back has to be valid."""

    def __init__(self, endpoint, schema, user):
        session = requests.Session()
        session.auth = (user, judging.PASSWORD)
        self.endpoint = endpoint
        self.history = HistoryPlugin(maxlen=1)
        self.client = zeep.Client(
            endpoint.replace("Exchange.asmx", "Services.wsdl"),
            transport=LocalTransport(schema, session),
            plugins=[self.history],
        )
        self.proxy = self.client.create_service(BINDING, endpoint)
        self.binding = self.client.wsdl.bindings[BINDING]
        self.schema = etree.XMLSchema(etree.parse(str(schema / "ews-soap.xsd")))
        self.asked = set()

    def operations(self):
        return set(self.binding.all())

    def call(self, operation, **arguments):
        """Lets zeep write the request and read the answer, and returns the answer's body."""
        self.asked.add(operation)
        try:
            answer = getattr(self.proxy, operation)(**arguments)
        finally:
            sent, received = self.history.last_sent, self.history.last_received
            self.validate(f"request {operation}", sent["envelope"])
            if received is not None:
                self.validate(f"answer to {operation}", received["envelope"])
        return answer.body

    def ask(self, operation, xml):
        """As `call`, for what zeep cannot write: elements that take another's place."""
        self.asked.add(operation)
        version = '<t:RequestServerVersion Version="Exchange2016"/>'
        envelope = etree.fromstring(
            f'<s:Envelope xmlns:s="{SOAP}" xmlns="{MESSAGES}" xmlns:t="{TYPES}">'
            f"<s:Header>{version}</s:Header><s:Body>{xml}</s:Body></s:Envelope>"
        )
        self.validate(f"request {operation}", envelope)
        headers = {"Content-Type": "text/xml; charset=utf-8"}
        response = self.client.transport.post_xml(self.endpoint, envelope, headers)
        self.validate(f"answer to {operation}", etree.fromstring(response.content))
        return self.binding.process_reply(self.client, self.binding.get(operation), response).body

    def validate(self, what, envelope):
        # Written and read again, as namespaces of a tree in memory may be others.
        document = etree.fromstring(etree.tostring(envelope))
        if not self.schema.validate(document):
            raise AssertionError(f"{what} is not valid: {self.schema.error_log.last_error.message}")


def messages(answer):
    """The response messages of an answer."""
    return [message for choice in answer.ResponseMessages._value_1 for message in choice.values()]


def one(answer, code="NoError"):
    """The only response message, which says this."""
    found = messages(answer)
    judging.expect(len(found), 1, "response messages")
    judging.expect(found[0].ResponseCode, code, "response code")
    return found[0]


def said(answer, code="NoError"):
    """An answer that is a response message itself."""
    judging.expect(answer.ResponseCode, code, "response code")
    return answer


def only(choices, name):
    """The only element of a list of choices, which has this name."""
    judging.expect(len(choices._value_1), 1, "elements")
    return choices._value_1[0][name]


def each(*elements):
    """A list of choices from pairs of name and value."""
    return {"_value_1": [dict([element]) for element in elements]}
