package tracing

import (
	"context"
	"errors"
	"strconv"
	"sync/atomic"

	sdk "go.opentelemetry.io/otel/sdk/trace"
)

// errFull is why a span is lost that is not even tried.
var errFull = errors.New("there are more spans than can wait to be sent")

// queue is where spans wait to be sent. It is the SDK's own, which drops what it has no room for, and tells nobody: so what it has no
// room for does not get there.
type queue struct {
	sdk.SpanProcessor
	room    int64
	waiting atomic.Int64
	lost    func(err error, spans int)
}

func newQueue(to sdk.SpanExporter, room int, lost func(error, int)) *queue {
	q := &queue{room: int64(room), lost: lost}
	q.SpanProcessor = sdk.NewBatchSpanProcessor(leaving{to, q}, sdk.WithMaxQueueSize(room))
	return q
}

// OnEnd implements sdk.SpanProcessor.
func (q *queue) OnEnd(s sdk.ReadOnlySpan) {
	if !s.SpanContext().IsSampled() {
		return
	}
	if q.waiting.Add(1) > q.room {
		q.waiting.Add(-1)
		q.lost(errFull, 1)
		return
	}
	q.SpanProcessor.OnEnd(s)
}

// leaving is an exporter of spans that leave the queue.
type leaving struct {
	sdk.SpanExporter
	queue *queue
}

// ExportSpans implements sdk.SpanExporter.
func (l leaving) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	defer l.queue.waiting.Add(-int64(len(spans)))
	return l.SpanExporter.ExportSpans(ctx, spans)
}

// maxRoom is how large the queue may be made. Each of these spans is a kilobyte or two.
const maxRoom = 1 << 20

// queueSize reads for how many spans there is room.
func queueSize(e environment) (int, error) {
	const name = "OTEL_BSP_MAX_QUEUE_SIZE"
	v := e.get(name)
	if v == "" {
		return sdk.DefaultMaxQueueSize, nil
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 || n > maxRoom {
		return 0, invalid(name, "must be a number from 1 to %d", maxRoom)
	}
	return n, nil
}
