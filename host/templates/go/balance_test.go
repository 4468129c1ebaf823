package plugin

import (
	"testing"

	"local/{{NAME}}/sluice"
)

func TestTheLeastBusyIsPicked(t *testing.T) {
	endpoints := []sluice.Endpoint{
		{Index: 0, Healthy: true, InFlight: 3}, {Index: 1, InFlight: 1}, {Index: 2, Healthy: true, InFlight: 2},
	}
	if picked := New().Pick(endpoints, nil); picked == nil || picked.Index != 2 {
		t.Error(picked)
	}
}
