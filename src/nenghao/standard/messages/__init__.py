"""The messages of the standard (报文): one module an interface, requests and answers as Structs.

from nenghao.standard.messages import read, write
from nenghao.standard.messages.registration import RegistrationRequest

request = read(RegistrationRequest, body)   # raises replies.Refusal with every finding
body = write(request)
"""

from nenghao.standard.messages.codec import read, read_value, write
from nenghao.standard.messages.fields import Answer, Message


class Acknowledgement(Answer):
    """The answer that only says how it went: uploads, and every refusal."""


__all__ = ["Acknowledgement", "Answer", "Message", "read", "read_value", "write"]
