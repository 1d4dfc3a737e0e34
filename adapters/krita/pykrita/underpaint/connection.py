"""The conversation with the daemon on a `QLocalSocket`, driven by the GUI thread's signals.

No thread: the socket is read and written in pieces of at most 1 MiB per turn of the event loop, so a 64 MiB picture
leaves Krita painting. What is said lives in `underpaint_client.Conversation`; this file only moves its bytes.
"""

from .qt import QtCore, QtNetwork, guarded, later
from .underpaint_client import Answer, Conversation, Disconnected, ProtocolError, packed_pixels

PIECE_BYTES = 1 << 20
HELLO_MS = 5000
TURN_MS = 50
"""How long one turn of the event loop may be spent on writing or on reading. Between two turns Krita may repaint its canvas,
which takes as long where there is no graphics card: fewer turns are quicker."""
WAIT_MS = 20
"""How long to wait within a turn for the daemon to read or to write on."""


class Connection(QtCore.QObject):
    """One connection. It is opened once and used until `closed`; reconnecting means making another."""

    ready = QtCore.pyqtSignal()
    """The daemon answered `hello`; `server` is known."""
    closed = QtCore.pyqtSignal(str)
    """The connection ended, or never came about. Sent once. The text says why, empty if we closed it."""
    notice = QtCore.pyqtSignal(object)
    """A `Notice` arrived."""

    def __init__(self, path, client_name, version, token=None, parent=None):
        super().__init__(parent)
        self._conversation = Conversation(client_name, version, token=token)
        self._handlers = {0: self._greeted}
        self._offset = 0
        self._over = False
        self.refusal = None
        """Why the daemon did not want to talk to us, if it said so."""
        self._pumping = self._reading = False
        self._drained = []
        self._turn = None
        """The time since something was first sent in this turn of the event loop."""
        self._socket = QtNetwork.QLocalSocket(self)
        self._socket.setReadBufferSize(4 * PIECE_BYTES)
        self._socket.connected.connect(self._pump)
        self._socket.bytesWritten.connect(self._pump)
        self._socket.readyRead.connect(self._read)
        self._socket.disconnected.connect(self._disconnected)
        broken = getattr(self._socket, "errorOccurred", None)
        if broken is None:  # before Qt 5.15
            broken = self._socket.error
        broken.connect(self._disconnected)
        self._path = path

    def open(self):
        """Connects. Apart from the constructor, because a refusal is told before this returns."""
        later(self._too_late, HELLO_MS)
        self._socket.connectToServer(self._path)

    @property
    def server(self):
        """The answer to hello, or None."""
        return self._conversation.server

    @property
    def chunk_bytes(self):
        """The longest piece `upload` takes at once."""
        return self._conversation.chunk_bytes

    def call(self, method, params=None, then=None):
        """Asks; `then(result, error)` is called once, with an exception in `error` if there is no result.
        Returns the request id, for `cancel`."""
        if self._over:
            _nobody_answers(then)
            return None
        number = self._conversation.request(method, params)
        self._handlers[number] = then
        self._pump()
        return number

    def notify(self, method, params=None):
        """Tells the daemon something."""
        self._conversation.notify(method, params)
        self._pump()

    def cancel(self, request_id):
        """Gives a job up; its `then` still gets the answer."""
        self._conversation.cancel(request_id)
        self._pump()

    def upload(self, size):
        """Begins a blob; see `Conversation.upload`. After each piece wait with `when_drained`."""
        return self._conversation.upload(size)

    def free(self, blob):
        """The daemon may forget a blob of ours; jobs keep what they were submitted with."""
        self._conversation.free(blob)
        self._pump()

    def rewrite(self, blob, offset, stride, row_bytes, rows):
        """Rewrites a rectangle of bytes inside a blob of ours: packed `rows` of `row_bytes` each, put `stride` apart."""
        count = len(rows) // row_bytes
        where = {"blob": blob, "offset": offset, "stride": stride, "row_bytes": row_bytes, "rows": count}
        self._conversation.notify("blob/write", where, rows)
        self._pump()

    def patches(self, result):
        """The patches of a job's result."""
        return self._conversation.patches(result)

    def images(self, described):
        """The pixels of images that an answer describes, packed; takes their blobs, several may share one."""
        blobs = {}
        for image in described:
            name = image.get("blob") if isinstance(image, dict) else None
            if name not in blobs:
                blobs[name] = self._conversation.take(name)
        return [packed_pixels(image, blobs[image["blob"]]) for image in described]

    def when_drained(self, resume):
        """Calls `resume()` as soon as nothing waits to be written: at once, as long as this turn of the event loop has taken little
        time, else in a turn to come. If the connection ends before: `resume(None, Disconnected)`."""
        if self._over:
            _nobody_answers(resume)
            return
        self._drained.append(resume)
        self._pump()

    def answer_soon(self):
        """Waits a little for the answer to a question that is quickly answered: cheaper than a turn of the event loop, in which
        Krita may repaint its canvas."""
        if not self._over and not self._reading and not self._conversation.outgoing and self._socket.waitForReadyRead(WAIT_MS):
            self._read()

    def silence(self, heard):
        """`heard`, a slot of `notice`, is told no more. A connection that ended tells nobody, and soon is no object of Qt's."""
        if not self._over:
            self.notice.disconnect(heard)

    def close(self):
        """Ends the connection without a word to anybody but the daemon."""
        self._end("")

    def abandon(self):
        """Qt has taken it apart, with what it belonged to: nothing more is said, and nobody is told."""
        self._over = True

    # Moving bytes

    @guarded
    def _pump(self, *_):
        if self._over or self._pumping or self._socket.state() != QtNetwork.QLocalSocket.LocalSocketState.ConnectedState:
            return
        self._pumping = True  # waiting below may send bytesWritten
        try:
            self._write_for_a_while()
        finally:
            self._pumping = False
        if self._drained and not self._conversation.outgoing:
            if self._turn is None:
                self._turn = QtCore.QElapsedTimer()
                self._turn.start()
                later(self._next_turn)
            drained, self._drained = self._drained, []
            for resume in drained:
                if self._turn.elapsed() < TURN_MS:
                    resume()
                else:
                    later(resume)

    def _next_turn(self):
        self._turn = None

    def _write_for_a_while(self):
        """Writes until all is written or the turn is over. Waiting a little for the daemon to read is what makes large
        pictures quick: the kernel takes 200 KiB at a time, and a turn of Krita's event loop may repaint the canvas."""
        outgoing = self._conversation.outgoing
        turn = QtCore.QElapsedTimer()
        turn.start()
        while outgoing and not self._over:
            if self._socket.bytesToWrite() >= PIECE_BYTES:
                if turn.elapsed() > TURN_MS or not self._socket.waitForBytesWritten(WAIT_MS):
                    return
                continue
            view = memoryview(outgoing[0]).cast("B")
            piece = view[self._offset:self._offset + PIECE_BYTES]
            written = self._socket.write(bytes(piece))
            if written < 0:
                return
            self._offset += written
            if self._offset == len(view):
                outgoing.popleft()
                self._offset = 0

    @guarded
    def _read(self):
        if self._over or self._reading:
            return
        self._reading = True  # waiting below sends readyRead
        try:
            self._read_for_a_while()
        except ProtocolError as error:
            self._end("Underpaint sent something this plug-in does not understand (%s). Are both of the same version?" % error)
        finally:
            self._reading = False

    def _read_for_a_while(self):
        """Reads until nothing more has come or the turn is over; in the middle of a frame it waits a little for the
        rest, for the same reason as above."""
        turn = QtCore.QElapsedTimer()
        turn.start()
        while not self._over:
            data = self._socket.read(PIECE_BYTES)
            for event in self._conversation.receive(data or b""):
                self._happened(event)
            if turn.elapsed() > TURN_MS:
                later(self._read)
                return
            if not data and (self._conversation.decoder.between_frames or not self._socket.waitForReadyRead(WAIT_MS)):
                return

    def _happened(self, event):
        if not isinstance(event, Answer):
            self.notice.emit(event)
            return
        if event.id is None:
            return  # about something we said that has no answer; whoever waits for its effect is told by his own
        then = self._handlers.pop(event.id, None)
        if then is not None:
            then(event.result, event.error)

    def _greeted(self, _result, error):
        if error is not None:
            self.refusal = str(error)
            self._end(self.refusal)
        else:
            self.ready.emit()

    @guarded
    def _too_late(self):
        if self.server is None:
            self._end("Underpaint accepted the connection but does not answer.")

    @guarded
    def _disconnected(self, *_):
        later(self._gone)  # not from within the socket's own call, which may be connectToServer

    def _gone(self):
        if self._over or self._socket.state() == QtNetwork.QLocalSocket.LocalSocketState.ConnectedState:
            return  # an error that did not end the connection
        while not self._over and self._socket.bytesAvailable():
            self._read()  # what arrived before the end still counts
        self._end("Underpaint closed the connection." if self.server else "Underpaint is not running.")

    def _end(self, why):
        if self._over:
            return
        self._over = True
        self._socket.abort()
        self.closed.emit(why)
        handlers, self._handlers = self._handlers, {}
        drained, self._drained = self._drained, []
        for then in [*handlers.values(), *drained]:
            if then is not None and then != self._greeted:
                then(None, Disconnected(why))
        self.deleteLater()


def _nobody_answers(then):
    """Tells so; in a turn to come, as an answer would."""
    later(lambda: then is not None and then(None, Disconnected("Underpaint is not running.")))
