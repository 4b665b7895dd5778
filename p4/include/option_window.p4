// The option crossbar: sixteen words of the window on one side, the fields of
// this program on the other, joined by table entries.
//
//   receive                               send
//   OptLen, C, word 0..15                 layout
//          | ternary                         | exact
//    option_layout -> layout, carries     send_layout -> OptLen, C, carries
//          | exact                           | exact
//    group.read      <- word i            word0.place  <- constant or field
//    logical_ports.read  ...              ...
//    timestamp.read                       word15.place
//
// A row of option_layout is one layout: the options that one NVE places for
// another, in their order (RFC 8926 section 4.5.1, RFC 9638 section 6.7). No
// option type is known here. A type is the words that the controller says it is
// made of, so a new type, or another order, needs entries and not a program.
//
// The tables of the crossbar are instances of two controls. Their ids are
// derived from their names by the compiler; all other ids are given.

#ifndef KEYWAY_OPTION_WINDOW_P4_
#define KEYWAY_OPTION_WINDOW_P4_

#include "headers.p4"
#include "metadata.p4"

// Layouts that a device may use at a time, in each direction.
#define LAYOUTS 512

// Binds the options of a received frame to a layout.
control OptionLayout(inout headers_t hdr, inout metadata_t meta) {
    @id(0x13000010) direct_counter(CounterType.packets_and_bytes) option_layout_counter;

    @id(0x01000010)
    action bind(@id(1) @refers_to("read", "layout") layout_t layout, @id(2) field_set_t carries) {
        meta.layout = layout;
        meta.carries = carries;
        option_layout_counter.count();
    }

    // One row is 519 bits: what one TCAM stage of a Tofino-class chip holds.
    @id(0x02000010)
    @option_window(OPTION_WORDS)
    table option_layout {
        key = {
            hdr.geneve.opt_len:  ternary @id(1)  @name("opt_len");
            hdr.geneve.critical: ternary @id(2)  @name("critical");
            hdr.option0.data:    ternary @id(3)  @name("word0")  @format(HEX_STRING);
            hdr.option1.data:    ternary @id(4)  @name("word1")  @format(HEX_STRING);
            hdr.option2.data:    ternary @id(5)  @name("word2")  @format(HEX_STRING);
            hdr.option3.data:    ternary @id(6)  @name("word3")  @format(HEX_STRING);
            hdr.option4.data:    ternary @id(7)  @name("word4")  @format(HEX_STRING);
            hdr.option5.data:    ternary @id(8)  @name("word5")  @format(HEX_STRING);
            hdr.option6.data:    ternary @id(9)  @name("word6")  @format(HEX_STRING);
            hdr.option7.data:    ternary @id(10) @name("word7")  @format(HEX_STRING);
            hdr.option8.data:    ternary @id(11) @name("word8")  @format(HEX_STRING);
            hdr.option9.data:    ternary @id(12) @name("word9")  @format(HEX_STRING);
            hdr.option10.data:   ternary @id(13) @name("word10") @format(HEX_STRING);
            hdr.option11.data:   ternary @id(14) @name("word11") @format(HEX_STRING);
            hdr.option12.data:   ternary @id(15) @name("word12") @format(HEX_STRING);
            hdr.option13.data:   ternary @id(16) @name("word13") @format(HEX_STRING);
            hdr.option14.data:   ternary @id(17) @name("word14") @format(HEX_STRING);
            hdr.option15.data:   ternary @id(18) @name("word15") @format(HEX_STRING);
        }
        actions = {
            bind;
            @defaultonly NoAction;
        }
        const default_action = NoAction();
        counters = option_layout_counter;
        size = LAYOUTS;
    }

    apply {
        option_layout.apply();
    }
}

// Reads one field from the word where the layout has it.
control ReadField(in headers_t hdr, in layout_t layout, inout bit<32> field) {
    action from_word0(@id(1) bit<8> shift)  { field = hdr.option0.data >> shift; }
    action from_word1(@id(1) bit<8> shift)  { field = hdr.option1.data >> shift; }
    action from_word2(@id(1) bit<8> shift)  { field = hdr.option2.data >> shift; }
    action from_word3(@id(1) bit<8> shift)  { field = hdr.option3.data >> shift; }
    action from_word4(@id(1) bit<8> shift)  { field = hdr.option4.data >> shift; }
    action from_word5(@id(1) bit<8> shift)  { field = hdr.option5.data >> shift; }
    action from_word6(@id(1) bit<8> shift)  { field = hdr.option6.data >> shift; }
    action from_word7(@id(1) bit<8> shift)  { field = hdr.option7.data >> shift; }
    action from_word8(@id(1) bit<8> shift)  { field = hdr.option8.data >> shift; }
    action from_word9(@id(1) bit<8> shift)  { field = hdr.option9.data >> shift; }
    action from_word10(@id(1) bit<8> shift) { field = hdr.option10.data >> shift; }
    action from_word11(@id(1) bit<8> shift) { field = hdr.option11.data >> shift; }
    action from_word12(@id(1) bit<8> shift) { field = hdr.option12.data >> shift; }
    action from_word13(@id(1) bit<8> shift) { field = hdr.option13.data >> shift; }
    action from_word14(@id(1) bit<8> shift) { field = hdr.option14.data >> shift; }
    action from_word15(@id(1) bit<8> shift) { field = hdr.option15.data >> shift; }

    table read {
        key = {
            layout: exact @id(1) @name("layout");
        }
        actions = {
            from_word0;  from_word1;  from_word2;  from_word3;
            from_word4;  from_word5;  from_word6;  from_word7;
            from_word8;  from_word9;  from_word10; from_word11;
            from_word12; from_word13; from_word14; from_word15;
            @defaultonly NoAction;
        }
        const default_action = NoAction();
        size = LAYOUTS;
    }

    apply {
        read.apply();
    }
}

// The options of a received frame, as the fields that its layout carries.
control ReceiveOptions(inout headers_t hdr, inout metadata_t meta) {
    OptionLayout() options;
    ReadField()    group;
    ReadField()    logical_ports;
    ReadField()    sequence;
    ReadField()    origin;
    ReadField()    flow_hash;
    ReadField()    timestamp;

    @id(0x01000011)
    action punt_critical() {
        meta.verdict = PUNT;
        meta.reason = PUNT_CRITICAL_OPTION;
    }

    @id(0x01000012)
    action drop_critical() {
        meta.verdict = DROP;
        meta.reason = DROP_CRITICAL_OPTION;
    }

    // C=0 lets an endpoint skip all options; C=1 without a row means that an
    // option which must be understood is not (RFC 8926 section 3.5.1). To drop
    // it is the duty of the endpoint as a whole: by default the controller gets
    // to see it. Configured by the default action.
    @id(0x02000011)
    table critical_miss {
        actions = {
            punt_critical;
            drop_critical;
        }
        default_action = punt_critical();
    }

    apply {
        options.apply(hdr, meta);
        if (meta.layout == 0 && hdr.geneve.critical == 1) {
            critical_miss.apply();
        }
        if (meta.carries & CARRIES_GROUP != 0) {
            group.apply(hdr, meta.layout, meta.fields.group);
            meta.source_group = (group_t)meta.fields.group;
        }
        if (meta.carries & CARRIES_LOGICAL_PORTS != 0) {
            logical_ports.apply(hdr, meta.layout, meta.fields.logical_ports);
            meta.logical_destination = meta.fields.logical_ports[15:0];
        }
        if (meta.carries & CARRIES_SEQUENCE != 0) {
            sequence.apply(hdr, meta.layout, meta.fields.sequence);
        }
        if (meta.carries & CARRIES_ORIGIN != 0) {
            origin.apply(hdr, meta.layout, meta.fields.origin);
        }
        if (meta.carries & CARRIES_FLOW_HASH != 0) {
            flow_hash.apply(hdr, meta.layout, meta.fields.flow_hash);
        }
        if (meta.carries & CARRIES_TIMESTAMP != 0) {
            timestamp.apply(hdr, meta.layout, meta.fields.timestamp);
        }
    }
}

// Puts a constant or a field into one word of the window. A constant is an
// option's header, fixed data, or the bits that stand beside a field.
control PlaceWord(inout option_word_t word, in fields_t fields, in layout_t layout) {
    action constant(@id(1) bit<32> value) {
        word.setValid();
        word.data = value;
    }

    action group(@id(1) bit<32> base, @id(2) bit<8> shift) {
        word.setValid();
        word.data = base | fields.group << shift;
    }

    action logical_ports(@id(1) bit<32> base, @id(2) bit<8> shift) {
        word.setValid();
        word.data = base | fields.logical_ports << shift;
    }

    action sequence(@id(1) bit<32> base, @id(2) bit<8> shift) {
        word.setValid();
        word.data = base | fields.sequence << shift;
    }

    action origin(@id(1) bit<32> base, @id(2) bit<8> shift) {
        word.setValid();
        word.data = base | fields.origin << shift;
    }

    action flow_hash(@id(1) bit<32> base, @id(2) bit<8> shift) {
        word.setValid();
        word.data = base | fields.flow_hash << shift;
    }

    action timestamp(@id(1) bit<32> base, @id(2) bit<8> shift) {
        word.setValid();
        word.data = base | fields.timestamp << shift;
    }

    action ports(@id(1) bit<32> base, @id(2) bit<8> shift) {
        word.setValid();
        word.data = base | fields.ports << shift;
    }

    table place {
        key = {
            layout: exact @id(1) @name("layout");
        }
        actions = {
            constant;
            group;
            logical_ports;
            sequence;
            origin;
            flow_hash;
            timestamp;
            ports;
            @defaultonly NoAction;
        }
        const default_action = NoAction();
        size = LAYOUTS;
    }

    apply {
        place.apply();
    }
}

#endif
